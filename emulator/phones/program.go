package phones

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

var other = Driver{
	Name:    "program",
	Help:    "any program, which registers when it is started and answers by itself. In its arguments {uri} {user} {domain} {proxy} {proxy-host} {proxy-port} {stun} {addr} {port} {rtp-port} stand for where it is. Settings: call, a command that makes it call {target}; hangup, one that ends the call; ready, how long it takes to register (5s)",
	Sets:    []string{"call", "hangup", "ready"},
	prepare: prepareProgram,
}

// Program is any program: it registers when it is started, and answers calls by itself. Words in
// braces in Config.Args, and the variables NATPROOF_URI, NATPROOF_PROXY and so on, tell it where it is.
// Config.Set has call and hangup: commands that run beside it, and ready: how long to wait for it to
// register.
func Program(c Config) (stage.Phone, error) { return other.New(c) }

const usualReady = 5 * time.Second

func prepareProgram(c Config) (func(*machine) (stage.Endpoint, error), error) {
	if c.Path == "" {
		return nil, errors.New("which one?")
	}
	ready := usualReady
	if text, ok := c.Set["ready"]; ok {
		var err error
		if ready, err = time.ParseDuration(text); err != nil || ready <= 0 {
			return nil, fmt.Errorf("ready=%s is no time", text)
		}
	}
	return func(m *machine) (stage.Endpoint, error) { return &programPhone{machine: m, ready: ready}, nil }, nil
}

type programPhone struct {
	*machine
	ready time.Duration
	begun *emulator.Cmd
}

// words are what stands for where the program is.
func (m *machine) words(target string) map[string]string {
	return map[string]string{
		"uri": m.URI, "user": m.user(), "domain": cell.Domain, "target": target,
		"proxy": m.Proxy.String(), "proxy-host": m.Proxy.Addr().String(), "proxy-port": strconv.Itoa(int(m.Proxy.Port())),
		"stun": m.STUN.String(), "addr": m.address().String(), "port": strconv.Itoa(int(m.SIPPort)), "rtp-port": strconv.Itoa(int(m.RTPPort)),
	}
}

// filled are arguments with the words in their places.
func filled(args []string, words map[string]string) []string {
	var all []string
	for _, a := range args {
		for name, value := range words {
			a = strings.ReplaceAll(a, "{"+name+"}", value)
		}
		all = append(all, a)
	}
	return all
}

func (p *programPhone) tell(c *emulator.Cmd, target string) *emulator.Cmd {
	for _, name := range []string{"uri", "user", "domain", "target", "proxy", "stun", "addr", "port", "rtp-port"} {
		if v := p.words(target)[name]; v != "" {
			c.Env = append(c.Env, "NATPROOF_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+v)
		}
	}
	return c
}

func (p *programPhone) Register(ctx context.Context) error {
	if p.begun == nil {
		c := p.tell(p.command(p.cfg.Path, filled(p.cfg.Args, p.words(""))...), "")
		if err := p.start(c); err != nil {
			return err
		}
		p.begun = c
	}
	ready := time.NewTimer(p.ready)
	defer ready.Stop()
	select {
	case <-ready.C:
		return nil // whether it was answered is seen on the wire
	case <-p.begun.Ended():
		return fmt.Errorf("%w: %s: it ended: %s", ErrProgram, p.cfg.Path, p.said.lastLine())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shell is a command line that runs beside the program.
func (p *programPhone) shell(ctx context.Context, text, target string) error {
	line := filled([]string{text}, p.words(target))[0]
	c := p.tell(p.ns.CommandContext(ctx, "/bin/sh", "-c", line), target)
	c.Stdout, c.Stderr = &p.said, &p.said
	return c.Run()
}

func (p *programPhone) Call(ctx context.Context, target string) (stage.Call, error) {
	text, ok := p.cfg.Set["call"]
	if !ok {
		return nil, fmt.Errorf("%w: no command makes it call", stage.ErrCannot)
	}
	if err := p.shell(ctx, text, target); err != nil {
		return nil, stage.Unanswered(err)
	}
	return stage.CallFunc(p.Hangup), nil
}

// Hangup ends the call by the command for it, or ends the program.
func (p *programPhone) Hangup(ctx context.Context) error {
	if text, ok := p.cfg.Set["hangup"]; ok {
		return stage.Unanswered(p.shell(ctx, text, ""))
	}
	return stage.ErrCannot
}

func (p *programPhone) Close() error { return p.machine.close() }
