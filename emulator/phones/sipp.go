package phones

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/scenarios/stage"
)

var sipp = Driver{
	Name:    "sipp",
	Help:    "driven by scenarios of its own: it registers once, answers, and sends silence. Settings: rport, true or false (true)",
	Sets:    []string{"rport"},
	prepare: prepareSIPp,
}

// SIPp is SIPp 3.6 and its like as a phone: of its own it does nothing, so it shows what a phone is
// without help. Config.Set has rport: whether it asks for responses to the source of its requests.
func SIPp(c Config) (stage.Phone, error) { return sipp.New(c) }

//go:embed sipp
var sippScenarios embed.FS

func prepareSIPp(c Config) (func(*machine) (stage.Endpoint, error), error) {
	rport := ";rport"
	switch c.Set["rport"] {
	case "", "true":
	case "false":
		rport = ""
	default:
		return nil, fmt.Errorf("rport=%s: true or false", c.Set["rport"])
	}
	return func(m *machine) (stage.Endpoint, error) {
		p := &sippPhone{machine: m, rport: rport}
		_, err := m.file("silence", string(bytes.Repeat([]byte{0xff}, 8000))) // a second in G.711 (ITU-T G.711, table 2a)
		return p, err
	}, nil
}

// sippPhone is a SIPp for each thing to do, one after the other on one port.
type sippPhone struct {
	*machine
	rport string
	now   *emulator.Cmd // that which holds the port, or nil
	calls int
}

// callID is that of the calls it makes, which it can be told by.
func (p *sippPhone) callID() string { return fmt.Sprintf("natproof-%d", p.calls) }

func (p *sippPhone) answered() string {
	return filepath.Join(p.dir, fmt.Sprintf("answered-%d", p.calls))
}

// play starts a scenario in the place of the one before.
func (p *sippPhone) play(name, target string, args ...string) (*emulator.Cmd, error) {
	if p.now != nil {
		_ = p.now.Kill()
		_ = p.now.Wait() // it was killed
		p.now = nil
	}
	text, err := sippScenarios.ReadFile("sipp/" + name + ".xml")
	if err != nil {
		return nil, err
	}
	words := p.words(target)
	words["rport"], words["audio"], words["answered"] = p.rport, filepath.Join(p.dir, "silence"), p.answered()
	path, err := p.file(name+".xml", filled([]string{string(text)}, words)[0])
	if err != nil {
		return nil, err
	}
	at := p.address().String()
	c := p.command(p.program("sipp"), append([]string{
		"-sf", path, "-i", at, "-mi", at, "-p", strconv.Itoa(int(p.SIPPort)), "-mp", strconv.Itoa(int(p.RTPPort)),
		"-m", "1", "-nostdin", "-aa", p.Proxy.String()}, append(args, p.cfg.Args...)...)...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), "TERM=dumb")
	if err := p.start(c); err != nil {
		return nil, err
	}
	p.now = c
	return c, nil
}

// ends waits for a scenario to end.
func (p *sippPhone) ends(ctx context.Context, c *emulator.Cmd) error {
	select {
	case <-c.Ended():
		if err := c.Wait(); err != nil {
			return stage.Unanswered(err) // a call of it failed
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *sippPhone) Register(ctx context.Context) error {
	c, err := p.play("register", "")
	if err != nil {
		return err
	}
	err = p.ends(ctx, c)
	if _, listens := p.play("answer", ""); listens != nil {
		return listens
	}
	return err
}

func (p *sippPhone) Call(ctx context.Context, target string) (stage.Call, error) {
	p.calls++
	c, err := p.play("call", target, "-cid_str", p.callID())
	if err != nil {
		return nil, err
	}
	for {
		if _, err := os.Stat(p.answered()); err == nil {
			return stage.CallFunc(func(ctx context.Context) error { return p.hangup(ctx, c) }), nil
		}
		select {
		case <-c.Ended():
			return nil, stage.Unanswered(errors.Join(c.Wait(), errNoAnswer))
		case <-ctx.Done():
			return nil, stage.Unanswered(ctx.Err())
		case <-time.After(pollTime):
		}
	}
}

var errNoAnswer = errors.New("the call was not answered")

// hangup tells it to end the call, from its own host.
func (p *sippPhone) hangup(ctx context.Context, c *emulator.Cmd) error {
	at := netip.AddrPortFrom(p.address(), p.SIPPort)
	conn, err := p.ns.ListenUDP(netip.AddrPortFrom(p.address(), 0))
	if err != nil {
		return err
	}
	defer conn.Close()
	info := fmt.Sprintf("INFO sip:%v SIP/2.0\r\nVia: SIP/2.0/UDP %v;branch=z9hG4bKend\r\nFrom: <sip:end@%v>;tag=end\r\nTo: <sip:%v>\r\nCall-ID: %s\r\nCSeq: 1 INFO\r\nContent-Length: 0\r\n\r\n",
		at, conn.LocalAddr(), at.Addr(), at, p.callID())
	if _, err := conn.WriteTo([]byte(info), net.UDPAddrFromAddrPort(at)); err != nil {
		return err
	}
	return p.ends(ctx, c)
}

func (p *sippPhone) Close() error { return p.machine.close() }
