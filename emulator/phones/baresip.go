package phones

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/scenarios/stage"
)

var baresip = Driver{
	Name:    "baresip",
	Help:    "driven by its control socket (module ctrl_tcp). Settings: account, parameters of the account such as ';medianat=stun'; config, further lines of its configuration, with ';' between them",
	Sets:    []string{"account", "config", "modules"},
	prepare: func(Config) (func(*machine) (stage.Endpoint, error), error) { return startBaresip, nil },
}

// Baresip is baresip 1.0 and its like, with G.711 and a tone for a voice. Config.Set has account:
// parameters of its account, such as ";medianat=stun;stunserver=stun:203.0.113.20"; and config: lines
// of its configuration.
func Baresip(c Config) (stage.Phone, error) { return baresip.New(c) }

const baresipControl = "127.0.0.1:4444"

func startBaresip(m *machine) (stage.Endpoint, error) {
	modules := m.cfg.Set["modules"]
	if modules == "" {
		modules = "/usr/lib/baresip/modules"
	}
	config := []string{
		"poll_method epoll",
		fmt.Sprintf("sip_listen 0.0.0.0:%d", m.SIPPort),
		"call_max_calls 4",
		"audio_player aubridge,nil", "audio_source ausine,440", "audio_alert aubridge,nil",
		"ausrc_srate 48000", "auplay_srate 8000", "ausrc_channels 2", "auplay_channels 1",
		fmt.Sprintf("rtp_ports %d-%d", m.RTPPort, m.RTPPort+9),
		"jitter_buffer_delay 5-10",
		"module_path " + modules,
		"module g711.so", "module ausine.so", "module aubridge.so", "module stun.so", "module ice.so",
		"module_app account.so", "module_app menu.so", "module_app ctrl_tcp.so",
		"ctrl_tcp_listen " + baresipControl,
	}
	for l := range strings.SplitSeq(m.cfg.Set["config"], ";") {
		config = append(config, strings.TrimSpace(l))
	}
	for name, text := range map[string]string{"config": strings.Join(config, "\n") + "\n", "accounts": "", "contacts": ""} {
		if _, err := m.file(name, text); err != nil {
			return nil, err
		}
	}
	if err := m.start(m.command(m.program("baresip"), append([]string{"-f", m.dir}, m.cfg.Args...)...)); err != nil {
		return nil, err
	}
	b := &baresipPhone{machine: m, news: make(chan struct{})}
	if err := b.connect(); err != nil {
		return nil, err
	}
	return b, nil
}

// baresipPhone is a running baresip.
type baresipPhone struct {
	*machine
	control net.Conn
	over    chan struct{} // closed when the control socket is

	mu     sync.Mutex
	events []baresipEvent
	news   chan struct{} // closed, and another, when there is one more
}

// baresipEvent is what its control socket tells.
type baresipEvent struct {
	Event bool   `json:"event"`
	Type  string `json:"type"`
	Param string `json:"param"`
	OK    bool   `json:"ok"`
	Data  string `json:"data"`
}

func (b *baresipPhone) connect() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		conn, err := b.ns.Dial(ctx, "tcp", baresipControl)
		if err == nil {
			b.control, b.over = conn, make(chan struct{})
			go b.read()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no control socket: %w: %s", err, b.said.lastLine())
		case <-b.running[0].Ended():
			return fmt.Errorf("it ended: %s", b.said.lastLine())
		case <-time.After(pollTime):
		}
	}
}

func (b *baresipPhone) read() {
	defer close(b.over)
	r := bufio.NewReader(b.control)
	for {
		text, err := readNetstring(r)
		if err != nil {
			return
		}
		var e baresipEvent
		if json.Unmarshal(text, &e) != nil {
			continue
		}
		b.mu.Lock()
		b.events = append(b.events, e)
		close(b.news)
		b.news = make(chan struct{})
		b.mu.Unlock()
	}
}

// orders tells it to do something, and returns how many events there were before.
func (b *baresipPhone) orders(command, params string) (int, error) {
	b.mu.Lock()
	before := len(b.events)
	b.mu.Unlock()
	return before, writeNetstring(b.control, map[string]string{"command": command, "params": params, "token": command})
}

// awaits is the first event of one of the types after so many, or the end of the context.
func (b *baresipPhone) awaits(ctx context.Context, after int, types ...string) (baresipEvent, error) {
	for {
		b.mu.Lock()
		for ; after < len(b.events); after++ {
			for _, t := range types {
				if e := b.events[after]; e.Event && e.Type == t {
					b.mu.Unlock()
					return e, nil
				}
			}
		}
		news := b.news
		b.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return baresipEvent{}, ctx.Err()
		case <-b.over:
			return baresipEvent{}, fmt.Errorf("%w: baresip: it ended: %s", ErrProgram, b.said.lastLine())
		}
	}
}

func (b *baresipPhone) Register(ctx context.Context) error {
	account := fmt.Sprintf(`<%s>;outbound="sip:%v";auth_pass=secret;answermode=auto;regint=3600%s`, b.URI, b.Proxy, b.cfg.Set["account"])
	after, err := b.orders("uanew", account)
	if err != nil {
		return err
	}
	e, err := b.awaits(ctx, after, "REGISTER_OK", "REGISTER_FAIL")
	if err == nil && e.Type == "REGISTER_FAIL" {
		err = errors.New(e.Param)
	}
	return stage.Unanswered(err)
}

func (b *baresipPhone) Call(ctx context.Context, target string) (stage.Call, error) {
	after, err := b.orders("dial", target)
	if err != nil {
		return nil, err
	}
	e, err := b.awaits(ctx, after, "CALL_ESTABLISHED", "CALL_CLOSED")
	if err == nil && e.Type == "CALL_CLOSED" {
		err = errors.New(e.Param + ": " + b.said.String())
	}
	if err != nil {
		return nil, stage.Unanswered(err)
	}
	return stage.CallFunc(b.Hangup), nil
}

// Hangup ends the last call.
func (b *baresipPhone) Hangup(ctx context.Context) error {
	after, err := b.orders("hangup", "")
	if err == nil {
		_, err = b.awaits(ctx, after, "CALL_CLOSED")
	}
	if err == nil {
		time.Sleep(quitTime) // the BYE is on its way
	}
	return stage.Unanswered(err)
}

func (b *baresipPhone) Close() error {
	err := b.control.Close()
	<-b.over
	return errors.Join(err, b.machine.close())
}

var _ stage.Hanger = (*baresipPhone)(nil)
