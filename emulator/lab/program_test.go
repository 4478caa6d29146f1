package lab_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/vnet"
)

// pretended runs no program, but knows what each would do: its first word says what.
type pretended struct{ mu sync.Mutex }

type pretendedHost struct {
	host *vnet.Host
	mu   sync.Mutex
	conn *vnet.Conn
	all  []*pretendedProcess
}

type pretendedProcess struct {
	ended  chan struct{}
	once   sync.Once
	status int
	stops  bool
}

func (p *pretended) Host(site *vnet.Site, name string, addrs []netip.Addr, _ map[string]netip.Addr) (lab.Machine, error) {
	h, err := site.AddHost(name, addrs...)
	return &pretendedHost{host: h}, err
}

func (h *pretendedHost) Start(run, env []string, _ string, output io.Writer) (lab.Process, error) {
	p := &pretendedProcess{ended: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, p)
	switch run[0] {
	case "exit":
		fmt.Fprintln(output, "there is nothing to do")
		p.end(len(run))
	case "listen":
		conn, err := h.host.Listen(netip.AddrPortFrom(h.host.Addr(), 5060))
		if err != nil {
			return nil, err
		}
		h.conn = conn
		fmt.Fprintln(output, "listening for "+run[1])
	case "sleep":
	default:
		return nil, errors.New("not found")
	}
	return p, nil
}

func (h *pretendedHost) Bound(port uint16) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn != nil && h.conn.LocalAddrPort().Port() == port
}

func (h *pretendedHost) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.all {
		p.end(137)
	}
	return nil
}

func (p *pretendedProcess) end(status int) {
	p.once.Do(func() { p.status = status; close(p.ended) })
}
func (p *pretendedProcess) Ended() <-chan struct{} { return p.ended }
func (p *pretendedProcess) Status() int            { return p.status }
func (p *pretendedProcess) Stop() error            { p.end(143); return nil }

const withProgram = `title: a program
sites:
  public: {prefix: 203.0.113.0/24, hosts: {proxy: 203.0.113.10, pc: 203.0.113.40}}
servers:
  proxy: {kind: registrar}
endpoints:
  pc: {kind: program, run: RUN}
`

func TestPrograms(t *testing.T) {
	for _, x := range []struct {
		name, run, rest string
		err             string   // of playing at all
		fails           []string // what does not hold
	}{
		{"it ends by itself", `[exit, x, y]`, "expect:\n  - {exited: pc, status: 3}\n", "", nil},
		{"it ends with another status", `[exit, x]`, "expect:\n  - {exited: pc}\n", "", []string{"ended with status 2"}},
		{"it is ready, and stopped", `[listen, "${NATPROOF_PROXY}"], ready: {udp: 5060, output: "listening for 203.0.113.10:5060"}`, "script:\n  - {at: 10ms, stop: pc}\nexpect:\n  - {exited: pc, status: 143}\n", "", nil},
		{"it is started when it is time", `[sleep], on-request: true`, "script:\n  - {at: 50ms, start: pc}\n  - {after: 50ms, stop: pc}\nexpect:\n  - {exited: pc, status: 143}\n", "", nil},
		{"it is stopped before", `[sleep], on-request: true`, "script:\n  - {at: 0s, stop: pc}\n", "", []string{"it does not run"}},
		{"it is never ready", `[sleep], ready: {output: hello, within: 50ms}`, "", `not ready after 50ms: waiting until it writes "hello"`, nil},
		{"it ends before it is ready", `[exit], ready: {registered: true}`, "", "ended with status 1 before it is registered; it has said: there is nothing to do", nil},
		{"it is not there", `[nowhere]`, "", "program pc: not found", nil},
		{"it goes on", `[sleep]`, "lasts: 100ms\nexpect:\n  - {exited: pc}\n", "", []string{"it did not end"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(withProgram, "RUN", x.run, 1) + x.rest
			r, err := parsed(t, text).Play(t.Context(), lab.Options{Programs: &pretended{}})
			if x.err != "" {
				if err == nil || !strings.Contains(err.Error(), x.err) {
					t.Errorf("%v, want %s", err, x.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := wrong(r)
			if len(got) != len(x.fails) {
				t.Fatalf("do not hold: %q, want %q", got, x.fails)
			}
			for i, want := range x.fails {
				if !strings.Contains(got[i], want) {
					t.Errorf("%s\nwant %s", got[i], want)
				}
			}
		})
	}
}

// What a program is told of the lab must be there.
func TestVariables(t *testing.T) {
	for _, x := range []struct{ run, says string }{
		{`["echo", "${NATPROOF_PROXI}"]`, "unknown variable \"NATPROOF_PROXI\" (did you mean NATPROOF_PROXY?"},
		{`[]`, "the program is missing"},
		{`[x], env: {A: "${HOME}"}`, `unknown variable "HOME"`},
		{`[x], ready: {within: 1s}`, "output, udp, or registered"},
	} {
		_, err := lab.Parse("x.yaml", []byte(strings.Replace(withProgram, "RUN", x.run, 1)))
		if err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v, want %s", x.run, err, x.says)
		}
	}
}

// A real program in a namespace: it reaches the others by name, and what it says and how it ends is known.
func TestRealProgram(t *testing.T) {
	needs(t, "sh")
	f := parsed(t, strings.Replace(withProgram, "RUN", `[sh, -c, 'grep -c "proxy" /etc/hosts; echo "at $NATPROOF_ADDRESS"; exit 3']`, 1)+"expect:\n  - {exited: pc, status: 3}\n")
	began := time.Now()
	r, err := f.Play(t.Context(), lab.Options{Programs: lab.Emulated{}})
	if errors.Is(err, emulator.ErrNoDevice) || errors.Is(err, emulator.ErrNoNamespace) {
		needs(t, "no device: "+err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	if bad := wrong(r); bad != nil || len(r.Said) != 1 || r.Said[0].Text != "1 | at 203.0.113.40" {
		t.Errorf("%q, it has said %+v, after %v", bad, r.Said, time.Since(began))
	}
}

// baresip, unmodified, behind a symmetric NAT.
func TestBaresip(t *testing.T) {
	needs(t, "baresip")
	f, err := lab.Load(filepath.Join("..", "..", "examples", "labs", "baresip.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Play(t.Context(), lab.Options{Programs: lab.Emulated{}})
	if err != nil {
		t.Fatal(err)
	}
	if bad := wrong(r); bad != nil {
		t.Errorf("%s\nit has said: %+v", strings.Join(bad, "\n"), r.Said)
	}
}
