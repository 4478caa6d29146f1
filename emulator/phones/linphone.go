package phones

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

var linphone = Driver{
	Name:    "linphone-daemon",
	Help:    "driven by its standard input. Settings: config, further lines of its linphonerc, with ';' between them, in sections by [name]",
	Sets:    []string{"config"},
	prepare: func(Config) (func(*machine) (stage.Endpoint, error), error) { return startLinphone, nil },
}

// Linphone is linphone-daemon 5.1 and its like. In calls it plays a file of silence, since on a host
// without a sound card it would send nothing. Config.Set has config: lines of its linphonerc.
func Linphone(c Config) (stage.Phone, error) { return linphone.New(c) }

func startLinphone(m *machine) (stage.Endpoint, error) {
	config := []string{
		"[sip]", "use_ipv6=0", "register_only_when_network_is_up=0",
		"[net]", "dns_srv_enabled=0",
		"[misc]", "log_collection=0",
		"[rtp]", fmt.Sprintf("audio_rtp_port=%d", m.RTPPort),
	}
	for l := range strings.SplitSeq(m.cfg.Set["config"], ";") {
		config = append(config, strings.TrimSpace(l))
	}
	path, err := m.file("linphonerc", strings.Join(config, "\n")+"\n")
	if err != nil {
		return nil, err
	}
	// Without a database it answers calls with 503.
	if err := os.MkdirAll(filepath.Join(m.dir, ".local", "share", "linphone"), 0o700); err != nil {
		return nil, err
	}
	p := &linphonePhone{machine: m, config: path}
	p.silence, err = m.file("silence.wav", string(silence(3*time.Minute)))
	return p, err
}

// silence is a file of 16 bits at 8 kHz: RIFF, WAVE, format 1.
func silence(length time.Duration) []byte {
	const rate, width = 8000, 2
	size := uint32(length/time.Second) * rate * width
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	b = binary.LittleEndian.AppendUint32(b, rate)
	b = binary.LittleEndian.AppendUint32(b, rate*width)
	b = append(b, width, 0, 8*width, 0)
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), size)
	b = append(b, make([]byte, size)...)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return b
}

// linphonePhone is a linphone-daemon, which registers as soon as it is started.
type linphonePhone struct {
	*machine
	config  string
	silence string
	told    io.WriteCloser // its standard input
	heard   transcript
	now     *emulator.Cmd
	voices  sync.WaitGroup
	stop    context.CancelFunc
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
	c.Env = append(os.Environ(), "HOME="+p.dir)
	p.told = w
	if err := p.start(c); err != nil {
		return errors.Join(err, w.Close())
	}
	p.now = c
	var life context.Context
	life, p.stop = context.WithCancel(context.Background())
	p.voices.Go(func() { p.speaks(life) })
	for _, line := range []string{
		fmt.Sprintf("port sip %d udp", p.SIPPort), fmt.Sprintf("port audio %d", p.RTPPort),
		fmt.Sprintf("register %s sip:%v secret %s %s", p.URI, p.Proxy, p.user(), cell.Domain),
	} {
		if text, err := p.asks(ctx, line, "Status: "); err != nil || strings.Contains(text, "Status: Error") {
			return errors.Join(err, fmt.Errorf("%w: %s: %q: %s", ErrProgram, linphone.Name, line, text))
		}
	}
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

// speaks has it play the file in each call, whoever made it.
func (p *linphonePhone) speaks(ctx context.Context) {
	at := 0
	for {
		if _, err := p.awaits(ctx, at, streams); err != nil {
			return
		}
		text, _ := p.heard.since(at)
		at += strings.Index(text, streams) + len(streams)
		_, _ = io.WriteString(p.told, "incall-player-start "+p.silence+"\n") // that it does not is seen on the wire
	}
}

// streams is the event of a call that has media.
const streams = "Event: LinphoneCallStreamsRunning"

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
	return stage.CallFunc(p.Hangup), nil
}

// Hangup ends the last call.
func (p *linphonePhone) Hangup(ctx context.Context) error {
	_, err := p.asks(ctx, "terminate", "LinphoneCallReleased", "Status: Error")
	return stage.Unanswered(err)
}

func (p *linphonePhone) Close() error {
	var err error
	if p.now != nil {
		p.stop()
		p.voices.Wait()
		err = p.told.Close()
	}
	return errors.Join(err, p.machine.close())
}

var _ stage.Hanger = (*linphonePhone)(nil)
