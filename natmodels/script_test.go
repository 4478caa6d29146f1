package natmodels_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/internal/boxtest"
	"github.com/natproof/natproof/natmodels/internal/judge"
	"github.com/natproof/natproof/natmodels/translate"
)

// TestScripts plays the scripts in testdata. A script builds a NAT and sends packets
// through it:
//
//	nat PLACE ...  a new NAT with these settings, one a line, in the settings notation;
//	               a translator, unless they say otherwise; time starts at 0
//	change         SetBehavior, with settings that change
//	run            steps, one a line, answered one a line
//
// A PLACE is external=ADDR or external=(ADDR,ADDR), static=(INTERNAL,EXTERNAL,...) and
// seed=NUMBER.
//
// The steps are
//
//	out PACKET         a packet from the inside
//	in PACKET          a packet from the outside
//	expect udp|tcp REMOTE|anybody INTERNAL [DURATION]
//	                   Expect, as an application level gateway does
//	due                list what the NAT sends by itself by now
//	wait DURATION      let time pass
//	mappings           list what is alive
//	admitted EXTERNAL  list what the filter of a mapping admits
//	stats              print the counters
//	flush
//	renumber ADDR ...
//
// A PACKET is one of
//
//	SRC -> DST                               UDP
//	tcp FLAGS SRC -> DST                     TCP, such as tcp SYN+ACK
//	echo-request SRC -> DST, echo-reply ...  ICMP, the identifier as both ports
//	unreachable/3 SRC -> DST about PACKET    an ICMP error; also time-exceeded/0,
//	                                         parameter-problem/0, redirect/0, too-big/0
//
// which is of ICMPv6 between IPv6 addresses.
//
// Rewrite the answers with go test -run TestScripts -rewrite, and read the diff.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &script{now: boxtest.Start}
		datadriven.RunTest(t, path, s.directive)
	})
}

type script struct {
	nat natmodels.Box
	now time.Time
}

func (s *script) directive(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "nat":
		m, err := model(translate.Config{}, d.Input)
		if err != nil {
			return err.Error() + "\n"
		}
		nat, err := m.New(place(t, d))
		if err == nil {
			s.nat, s.now = nat, boxtest.Start
		}
		return errorOr(err, m.Behavior().Code()+"\n")
	case "change":
		m, err := model(s.nat.Model(), d.Input)
		if err != nil {
			return err.Error() + "\n"
		}
		return errorOr(s.nat.SetBehavior(m), m.Behavior().Code()+"\n")
	case "run":
		var out strings.Builder
		for line := range strings.Lines(d.Input) {
			out.WriteString(s.step(t, strings.TrimSpace(line)))
		}
		return out.String()
	}
	t.Fatalf("%s: unknown directive %q", d.Pos, d.Cmd)
	return ""
}

// model reads settings: those of a whole NAT, or changes.
func model(base natmodels.Model, settings string) (natmodels.Model, error) {
	if strings.HasPrefix(settings, "kind") || strings.HasPrefix(settings, "like") {
		e, err := catalogue.Parse("settings", settings)
		return e.Model, err
	}
	return catalogue.Vary(base, settings)
}

func place(t *testing.T, d *datadriven.TestData) (p natmodels.Place) {
	for _, a := range d.CmdArgs {
		switch a.Key {
		case "external":
			for _, v := range a.Vals {
				p.External = append(p.External, netip.MustParseAddr(v))
			}
		case "static":
			for i := 0; i+1 < len(a.Vals); i += 2 {
				p.Static = append(p.Static, natmodels.StaticMapping{
					Protocol: natmodels.UDP, Internal: netip.MustParseAddrPort(a.Vals[i]), External: netip.MustParseAddrPort(a.Vals[i+1]),
				})
			}
		case "seed":
			seed, err := strconv.ParseUint(a.Vals[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			p.Seed = seed
		default:
			t.Fatalf("%s: no place has %s", d.Pos, a.Key)
		}
	}
	return p
}

func errorOr(err error, otherwise string) string {
	if err != nil {
		return err.Error() + "\n"
	}
	return otherwise
}

func (s *script) step(t *testing.T, line string) string {
	words := strings.Fields(line)
	n := s.nat
	switch words[0] {
	case "out", "in":
		p := parsePacket(words[1:])
		send := n.Outbound
		if words[0] == "in" {
			send = n.Inbound
		}
		return s.describe(send(p, s.now))
	case "expect":
		return s.expect(t, words[1:])
	case "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(d)
		return fmt.Sprintf("it is %v\n", s.now.Sub(boxtest.Start))
	case "mappings":
		var out strings.Builder
		for _, m := range n.Mappings(s.now) {
			fmt.Fprintln(&out, m)
		}
		return orNone(out.String())
	case "admitted":
		return s.admitted(netip.MustParseAddrPort(words[1]))
	case "stats":
		return describeStats(n.Stats(s.now))
	case "due":
		var out strings.Builder
		for _, p := range n.Due(s.now) {
			fmt.Fprintln(&out, p)
		}
		return orNone(out.String())
	case "flush":
		n.Flush()
		return "flushed\n"
	case "renumber":
		var external []netip.Addr
		for _, w := range words[1:] {
			external = append(external, netip.MustParseAddr(w))
		}
		return errorOr(n.Renumber(external), "renumbered\n")
	}
	t.Fatalf("unknown step %q", line)
	return ""
}

func (s *script) expect(t *testing.T, w []string) string {
	e := natmodels.Expectation{Protocol: map[string]natmodels.Protocol{"udp": natmodels.UDP, "tcp": natmodels.TCP}[w[0]], Internal: netip.MustParseAddrPort(w[2])}
	var err error
	if w[1] != "anybody" {
		e.Remote, err = netip.ParseAddr(w[1])
	}
	if len(w) > 3 && err == nil {
		e.Lifetime, err = time.ParseDuration(w[3])
	}
	if err != nil {
		t.Fatal(err)
	}
	external, reason := s.nat.Expect(e, s.now)
	if reason != natmodels.NotDropped {
		return "refused, " + reason.String() + "\n"
	}
	return fmt.Sprintf("%v\n", external)
}

func parsePacket(w []string) natmodels.Packet {
	var p natmodels.Packet
	var err error
	name, code, _ := strings.Cut(w[0], "/")
	switch name {
	case "tcp":
		p.Protocol = natmodels.TCP
		p.Flags, err = natmodels.ParseTCPFlags(w[1])
		w = w[2:]
	case "echo-request", "echo-reply":
		w = w[1:]
	case "unreachable", "time-exceeded", "parameter-problem", "redirect", "too-big":
		_, err = fmt.Sscan(code, &p.Code)
		w = w[1:]
		quoted := parsePacket(w[4:])
		p.Quoted = &quoted
	default:
		p.Protocol = natmodels.UDP
	}
	if err != nil {
		panic(err)
	}
	p.Src, p.Dst = parseEnd(w[0]), parseEnd(w[2])
	if p.Protocol == 0 {
		p.Protocol, p.Type = natmodels.ICMP, icmpNames[name]
		if p.Src.Addr().Is6() {
			p.Protocol, p.Type = natmodels.ICMPv6, icmpv6Names[name]
		}
	}
	return p
}

var (
	icmpNames = map[string]uint8{
		"echo-request": natmodels.EchoRequest, "echo-reply": natmodels.EchoReply, "unreachable": natmodels.DestUnreachable,
		"time-exceeded": natmodels.TimeExceeded, "parameter-problem": natmodels.ParamProblem, "redirect": natmodels.Redirect,
	}
	icmpv6Names = map[string]uint8{
		"echo-request": natmodels.V6EchoRequest, "echo-reply": natmodels.V6EchoReply, "unreachable": natmodels.V6DestUnreachable,
		"time-exceeded": natmodels.V6TimeExceeded, "parameter-problem": natmodels.V6ParamProblem, "too-big": natmodels.V6PacketTooBig,
	}
)

// parseEnd reads an endpoint, or an address for port zero.
func parseEnd(s string) netip.AddrPort {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 0)
	}
	return netip.MustParseAddrPort(s)
}

func orNone(s string) string {
	if s == "" {
		return "none\n"
	}
	return s
}

// describe prints what becomes of a packet, and the sentence that explains it.
func (s *script) describe(v natmodels.Verdict) string {
	if v.Action == natmodels.Drop {
		return "dropped, " + s.nat.Explain(v) + "\n"
	}
	if v.Action == natmodels.Reply {
		return s.nat.Explain(v) + "\n"
	}
	if v.Packet.Protocol == natmodels.UDP {
		return fmt.Sprintf("%v -> %v, %s\n", v.Packet.Src, v.Packet.Dst, s.nat.Explain(v))
	}
	return fmt.Sprintf("%v, %s\n", v.Packet, s.nat.Explain(v))
}

func (s *script) admitted(external netip.AddrPort) string {
	for _, m := range s.nat.Mappings(s.now) {
		if m.External == external {
			remotes, everyone := s.nat.Admitted(m, s.now)
			if everyone {
				return "everyone\n"
			}
			var out strings.Builder
			for _, r := range remotes {
				fmt.Fprintln(&out, judge.Remote(r))
			}
			return orNone(out.String())
		}
	}
	return "no such mapping\n"
}

func describeStats(st natmodels.Stats) string {
	var out strings.Builder
	fmt.Fprintf(&out, "outbound %d inbound %d: forwarded %d hairpinned %d", st.Outbound, st.Inbound, st.Forwarded, st.Hairpinned)
	if st.Replied > 0 {
		fmt.Fprintf(&out, " replied %d", st.Replied)
	}
	for _, r := range natmodels.Reasons() {
		if st.Dropped[r] > 0 {
			fmt.Fprintf(&out, " %v %d", r, st.Dropped[r])
		}
	}
	fmt.Fprintf(&out, "\ncreated %d: expired %d flushed %d renumbered %d ", st.Created, st.Expired, st.Flushed, st.Renumbered)
	if st.Closed+st.Evicted > 0 {
		fmt.Fprintf(&out, "closed %d evicted %d ", st.Closed, st.Evicted)
	}
	fmt.Fprintf(&out, "live %d; static %d\n", st.Live, st.Static)
	return out.String()
}
