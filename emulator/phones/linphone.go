package phones

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

var linphone = Driver{
	Name:    "linphone-daemon",
	Help:    "driven by its standard input. Settings: config, further lines of its linphonerc, with ';' between them, in sections by [name]; wav, a file that it plays in calls",
	Sets:    []string{"config", "wav"},
	prepare: func(Config) (func(*machine) (stage.Endpoint, error), error) { return startLinphone, nil },
}

// Linphone is linphone-daemon 5.1 and its like. Config.Set has config: lines of its linphonerc; and
// wav: a file that it plays in calls, since a host without a sound card has no voice.
func Linphone(c Config) (stage.Phone, error) { return linphone.New(c) }

func startLinphone(m *machine) (stage.Endpoint, error) {
	route := fmt.Sprintf("<sip:%v;lr>", m.Proxy)
	config := []string{
		"[sip]", fmt.Sprintf("sip_port=%d", m.SIPPort), "sip_tcp_port=0", "sip_tls_port=0", "use_ipv6=0",
		"register_only_when_network_is_up=0", "default_proxy=0",
		"[net]", "dns_srv_enabled=0",
		"[rtp]", fmt.Sprintf("audio_rtp_port=%d", m.RTPPort),
		"[misc]", "log_collection=0",
		"[proxy_0]", "reg_identity=<" + m.URI + ">", "reg_proxy=" + route, "reg_route=" + route, "reg_expires=3600", "reg_sendregister=1", "publish=0",
		"[auth_info_0]", "username=" + m.user(), "passwd=secret", "realm=" + cell.Domain,
	}
	for l := range strings.SplitSeq(m.cfg.Set["config"], ";") {
		config = append(config, strings.TrimSpace(l))
	}
	path, err := m.file("linphonerc", strings.Join(config, "\n")+"\n")
	if err != nil {
		return nil, err
	}
	return &linphonePhone{machine: m, config: path}, nil
}

// linphonePhone is a linphone-daemon, which registers as soon as it is started.
type linphonePhone struct {
	*machine
	config string
	told   io.WriteCloser // its standard input
	heard  transcript
	now    *emulator.Cmd
}

// transcript is all that a program has written.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

// since is what was written after so many bytes, and how many there are now.
func (t *transcript) since(at int) (string, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()[at:], t.text.Len()
}

func (p *linphonePhone) Register(ctx context.Context) error {
	if p.now != nil {
		return nil // it does so by itself
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	c := p.command(p.program(linphone.Name), append([]string{"--config", p.config, "--disable-stats-events", "--auto-answer"}, p.cfg.Args...)...)
	c.Stdin, c.Stdout, c.Stderr = r, &p.heard, &p.said
	c.Env = append(os.Environ(), "HOME="+p.dir, "XDG_DATA_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir)
	p.told = w
	if err := p.start(c); err != nil {
		return err
	}
	p.now = c
	for {
		text, err := p.asks(ctx, "register-status ALL", "State: ", "Reason: ")
		switch {
		case err != nil:
			return stage.Unanswered(err)
		case strings.Contains(text, "LinphoneRegistrationOk"):
			return nil
		case strings.Contains(text, "LinphoneRegistrationFailed"):
			return stage.Unanswered(errors.New("registration failed"))
		}
		time.Sleep(10 * pollTime)
	}
}

// asks tells it a line and waits for one of the words in what it writes from then on.
func (p *linphonePhone) asks(ctx context.Context, line string, words ...string) (string, error) {
	_, at := p.heard.since(0)
	if _, err := io.WriteString(p.told, line+"\n"); err != nil {
		return "", err
	}
	return p.awaits(ctx, at, words...)
}

func (p *linphonePhone) awaits(ctx context.Context, at int, words ...string) (string, error) {
	for {
		text, _ := p.heard.since(at)
		for _, w := range words {
			if i := strings.Index(text, w); i >= 0 && strings.Contains(text[i:], "\n") {
				return text, nil
			}
		}
		select {
		case <-p.now.Ended():
			return text, fmt.Errorf("%w: linphone-daemon: it ended: %s", ErrProgram, p.said.lastLine())
		case <-ctx.Done():
			return text, ctx.Err()
		case <-time.After(pollTime):
		}
	}
}

func (p *linphonePhone) Call(ctx context.Context, target string) (stage.Call, error) {
	if p.now == nil {
		return nil, fmt.Errorf("%w: it has not begun", ErrProgram)
	}
	text, err := p.asks(ctx, "call "+target, "LinphoneCallStreamsRunning", "LinphoneCallError", "LinphoneCallEnd", "Status: Error")
	if err == nil && !strings.Contains(text, "LinphoneCallStreamsRunning") {
		err = errNoAnswer
	}
	if err != nil {
		return nil, stage.Unanswered(err)
	}
	if wav := p.cfg.Set["wav"]; wav != "" {
		if _, err := p.asks(ctx, "incall-player-start "+wav, "Status: "); err != nil {
			return nil, err
		}
	}
	return stage.CallFunc(p.Hangup), nil
}

// Hangup ends the last call.
func (p *linphonePhone) Hangup(ctx context.Context) error {
	_, err := p.asks(ctx, "terminate", "LinphoneCallReleased", "Status: Error")
	return stage.Unanswered(err)
}

func (p *linphonePhone) Close() error {
	var err error
	if p.told != nil {
		err = p.told.Close()
	}
	return errors.Join(err, p.machine.close())
}

var _ stage.Hanger = (*linphonePhone)(nil)
