package kernelnat

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/sipalg"
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

// sipScript sends the messages of one transcript through a box.
type sipScript struct {
	send func(from Side, p Packet) ([]Emission, error)
	// helped: the box does what the transcript marks "by=helper"; otherwise that is left
	// out.
	helped bool
	// strict: what is marked "alg=differs" is known to differ in the model, and must.
	strict bool
	// port is the external port that the box drew, written as PORT in transcripts.
	port uint16
}

func (s *sipScript) run(t *testing.T, d *datadriven.TestData) string {
	out := s.result(t, d)
	if !s.strict || !d.HasArg("alg") {
		return out
	}
	if out == d.Expected {
		d.Fatalf(t, "the model does it now: take the mark away")
	}
	return d.Expected
}

func (s *sipScript) result(t *testing.T, d *datadriven.TestData) string {
	if d.Cmd != "send" || len(d.CmdArgs) < 3 {
		d.Fatalf(t, "want: send inside|outside FROM TO [by=helper] [alg=differs]")
	}
	if d.HasArg("by") && !s.helped {
		return d.Expected
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

// TestSIP holds the engine and the Linux variant of the ALG to the transcripts. Where
// they are known to differ, the transcript says so, and why.
func TestSIP(t *testing.T) {
	alg, err := sipalg.Named("linux")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range sipFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			nat, err := natmodels.New(sipRuleset(t).Config(KernelTimers, 1))
			if err != nil {
				t.Fatal(err)
			}
			s := sipScript{
				send:   func(from Side, p Packet) ([]Emission, error) { return throughALG(nat, alg, from, p), nil },
				strict: true,
			}
			datadriven.RunTest(t, file, s.run)
		})
	}
}

// throughALG puts a message through the engine and the ALG beside it.
func throughALG(nat *natmodels.NAT, alg sipalg.ALG, from Side, p Packet) []Emission {
	out, _ := Engine{nat}.Send(from, p, 0)
	for i := range out {
		if out[i].Side == from {
			continue
		}
		flow := sipalg.Flow{Internal: p.Src, External: out[i].Src, Remote: p.Dst}
		rewrite := alg.Outbound
		if from == Outside {
			flow = sipalg.Flow{Internal: out[i].Dst, External: p.Dst, Remote: p.Src}
			rewrite = alg.Inbound
		}
		out[i].Data = rewrite(p.Data, flow)
	}
	return out
}
