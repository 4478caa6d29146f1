package kernelnat

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// sipRuleset is what the transcripts in testdata/sip were recorded with.
func sipRuleset(t *testing.T) Ruleset {
	t.Helper()
	rs, err := FindRuleset("masquerade-sip-helper")
	if err != nil {
		t.Fatal(err)
	}
	rs.Guarded = true
	return rs
}

func sipFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/sip/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	slices.Sort(files)
	return files
}

// sipTimers are those of a transcript, which may have "short" in its name.
func sipTimers(file string) Timers {
	if strings.Contains(file, "short") {
		return ShortTimers
	}
	return KernelTimers
}

// sipScript sends the messages of one transcript through a box.
type sipScript struct {
	send  func(from Side, p Packet) ([]Emission, error)
	pause func(time.Duration) error
	// port is the external port that the box drew, written as PORT in transcripts.
	port uint16
}

func (s *sipScript) run(t *testing.T, d *datadriven.TestData) string {
	switch {
	case d.Cmd == "pause" && len(d.CmdArgs) == 1:
		pause, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err == nil {
			err = s.pause(pause)
		}
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		return ""
	case d.Cmd != "send" || len(d.CmdArgs) != 3:
		d.Fatalf(t, "want: send inside|outside FROM TO, or: pause 2s")
	}
	side := Inside
	if d.CmdArgs[0].Key == Outside.String() {
		side = Outside
	}
	p := Packet{Proto: UDP, Data: s.wire(d.Input)}
	for i, e := range []*netip.AddrPort{&p.Src, &p.Dst} {
		var err error
		if *e, err = netip.ParseAddrPort(s.fill(d.CmdArgs[1+i].Key)); err != nil {
			d.Fatalf(t, "%v", err)
		}
	}
	got, err := s.send(side, p)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	if len(got) == 0 {
		return "dropped\n"
	}
	var b strings.Builder
	for _, e := range got {
		if s.port == 0 && side == Inside && e.Side == Outside && e.Src.Port() != p.Src.Port() {
			s.port = e.Src.Port()
		}
		fmt.Fprintf(&b, "%v\n%s", e, strings.ReplaceAll(string(e.Data), "\r\n", "\n"))
	}
	out := strings.TrimRight(b.String(), "\n") + "\n"
	if s.port != 0 {
		out = strings.ReplaceAll(out, strconv.Itoa(int(s.port)), "PORT")
	}
	return out
}

func (s *sipScript) fill(text string) string {
	return strings.ReplaceAll(text, "PORT", strconv.Itoa(int(s.port)))
}

// wire returns a message with CRLF and its length filled in.
func (s *sipScript) wire(text string) []byte {
	text = s.fill(text)
	if !strings.Contains(text, "SIP/2.0") {
		return []byte(text)
	}
	head, body, _ := strings.Cut(text, "\n\n")
	head = strings.TrimRight(head, "\n")
	if body != "" {
		body = strings.ReplaceAll(strings.TrimRight(body, "\n")+"\n", "\n", "\r\n")
	}
	head = strings.Replace(head, "Content-Length: auto", fmt.Sprintf("Content-Length: %d", len(body)), 1)
	return []byte(strings.ReplaceAll(head+"\n\n", "\n", "\r\n") + body)
}

// TestSIP holds the engine and the Linux variant of the ALG to the transcripts.
func TestSIP(t *testing.T) {
	for _, file := range sipFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			box, err := sipRuleset(t).Helped(sipTimers(file), 1)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Duration(0)
			s := sipScript{
				send:  func(from Side, p Packet) ([]Emission, error) { return box.Send(from, p, now) },
				pause: func(d time.Duration) error { now += d; return nil },
			}
			datadriven.RunTest(t, file, s.run)
		})
	}
}
