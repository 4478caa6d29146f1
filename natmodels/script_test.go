package natmodels

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestScripts plays the scripts in testdata. A script builds a NAT and sends packets
// through it:
//
//	nat SETTING=VALUE ...     a new NAT; time starts at 0
//	change SETTING=VALUE ...  SetBehavior
//	run                       steps, one a line, answered one a line
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
		s := &script{now: benchStart}
		datadriven.RunTest(t, path, s.directive)
	})
}

type script struct {
	nat *NAT
	now time.Time
}

func (s *script) directive(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "nat":
		cfg, err := settings(Config{}, d.CmdArgs)
		if err == nil {
			s.now = benchStart
			s.nat, err = New(cfg)
		}
		return errorOr(err, cfg.Code()+"\n")
	case "change":
		cfg := s.nat.Config()
		cfg.External, cfg.Static, cfg.Seed = nil, nil, 0
		cfg, err := settings(cfg, d.CmdArgs)
		if err == nil {
			err = s.nat.SetBehavior(cfg)
		}
		return errorOr(err, cfg.Code()+"\n")
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
		return fmt.Sprintf("it is %v\n", s.now.Sub(benchStart))
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
	e := Expectation{Protocol: map[string]Protocol{"udp": UDP, "tcp": TCP}[w[0]], Internal: netip.MustParseAddrPort(w[2])}
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
	if reason != NotDropped {
		return "refused, " + reason.String() + "\n"
	}
	return fmt.Sprintf("%v\n", external)
}

func parsePacket(w []string) Packet {
	var p Packet
	var err error
	name, code, _ := strings.Cut(w[0], "/")
	switch name {
	case "tcp":
		p.Protocol = TCP
		p.Flags, err = ParseTCPFlags(w[1])
		w = w[2:]
	case "echo-request", "echo-reply":
		w = w[1:]
	case "unreachable", "time-exceeded", "parameter-problem", "redirect", "too-big":
		_, err = fmt.Sscan(code, &p.Code)
		w = w[1:]
		quoted := parsePacket(w[4:])
		p.Quoted = &quoted
	default:
		p.Protocol = UDP
	}
	if err != nil {
		panic(err)
	}
	p.Src, p.Dst = parseEnd(w[0]), parseEnd(w[2])
	if p.Protocol == 0 {
		p.Protocol, p.Type = ICMP, icmpNames[name]
		if p.Src.Addr().Is6() {
			p.Protocol, p.Type = ICMPv6, icmpv6Names[name]
		}
	}
	return p
}

var (
	icmpNames = map[string]uint8{
		"echo-request": EchoRequest, "echo-reply": EchoReply, "unreachable": DestUnreachable,
		"time-exceeded": TimeExceeded, "parameter-problem": ParamProblem, "redirect": Redirect,
	}
	icmpv6Names = map[string]uint8{
		"echo-request": V6EchoRequest, "echo-reply": V6EchoReply, "unreachable": V6DestUnreachable,
		"time-exceeded": V6TimeExceeded, "parameter-problem": V6ParamProblem, "too-big": V6PacketTooBig,
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
func (s *script) describe(v Verdict) string {
	if v.Action == Drop {
		return "dropped, " + s.nat.Explain(v) + "\n"
	}
	if v.Action == Reply {
		return s.nat.Explain(v) + "\n"
	}
	if v.Packet.Protocol == UDP {
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
				fmt.Fprintln(&out, remoteString(r))
			}
			return orNone(out.String())
		}
	}
	return "no such mapping\n"
}

func describeStats(st Stats) string {
	var out strings.Builder
	fmt.Fprintf(&out, "outbound %d inbound %d: forwarded %d hairpinned %d", st.Outbound, st.Inbound, st.Forwarded, st.Hairpinned)
	if st.Replied > 0 {
		fmt.Fprintf(&out, " replied %d", st.Replied)
	}
	for _, r := range Reasons() {
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

// settings changes cfg by the arguments of a directive.
func settings(cfg Config, args []datadriven.CmdArg) (Config, error) {
	for _, a := range args {
		if err := setting(&cfg, a.Key, a.Vals); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func setting(cfg *Config, key string, vals []string) (err error) {
	first := ""
	if len(vals) > 0 {
		first = vals[0]
	}
	switch key {
	case "preset":
		external := cfg.External
		*cfg, err = Preset(first)
		cfg.External = external
	case "mapping":
		cfg.Mapping, err = ParseMapping(first)
	case "filtering":
		cfg.Filtering, err = ParseFiltering(first)
	case "scope":
		cfg.FilterScope, err = ParseFilterScope(first)
	case "ports":
		cfg.PortChoice, err = ParsePortChoice(first)
	case "step":
		cfg.Step, err = strconv.Atoi(first)
	case "range":
		_, err = fmt.Sscanf(first, "%d-%d", &cfg.PortRange.First, &cfg.PortRange.Last)
	case "idle":
		cfg.IdleTimeout, err = time.ParseDuration(first)
	case "unreplied":
		cfg.UnrepliedTimeout, err = time.ParseDuration(first)
	case "refresh":
		cfg.Refresh, err = ParseRefresh(first)
	case "hairpin":
		cfg.Hairpin, err = ParseHairpin(first)
	case "pooling":
		cfg.Pooling, err = ParsePooling(first)
	case "kind":
		cfg.Kind, err = parseEnum[Kind]("kind", first, kindNames)
	case "unsolicited":
		cfg.Unsolicited, err = ParseUnsolicited(first)
	case "pass-invalid":
		cfg.PassInvalid = true
	case "prefix":
		cfg.Prefixes = append(cfg.Prefixes, PrefixMapping{netip.MustParsePrefix(vals[0]), netip.MustParsePrefix(vals[1])})
	case "syn":
		cfg.TCP.SYN, err = ParseSYNPolicy(first)
	case "parity":
		cfg.Parity = true
	case "contiguous":
		cfg.Contiguous = true
	case "classes":
		cfg.PortClasses = true
	case "reuse-delay":
		cfg.ReuseDelay, err = time.ParseDuration(first)
	case "blocks":
		cfg.Blocks.Subscribers = netip.MustParsePrefix(vals[0])
		cfg.Blocks.Size, err = strconv.Atoi(vals[1])
	case "stream-after":
		cfg.StreamAfter, err = time.ParseDuration(first)
	case "well-known":
		cfg.WellKnownTimeout, err = time.ParseDuration(first)
	case "permission":
		cfg.PermissionTimeout, err = time.ParseDuration(first)
	case "limit":
		cfg.Limits.PerSubscriber, err = strconv.Atoi(first)
	case "limit-total":
		cfg.Limits.Total, err = strconv.Atoi(first)
	case "when-full":
		cfg.WhenFull, err = ParseWhenFull(first)
	case "under-load":
		cfg.UnderLoad.Mapping, err = ParseMapping(vals[1])
		cfg.UnderLoad.PortChoice = Random
		cfg.UnderLoad.Mappings, _ = strconv.Atoi(first)
	case "nat64":
		cfg.NAT64, err = netip.ParsePrefix(first)
	case "seed":
		cfg.Seed, err = strconv.ParseUint(first, 10, 64)
	case "external":
		for _, v := range vals {
			cfg.External = append(cfg.External, netip.MustParseAddr(v))
		}
	case "static":
		for i := 0; i+1 < len(vals); i += 2 {
			cfg.Static = append(cfg.Static, StaticMapping{UDP, netip.MustParseAddrPort(vals[i]), netip.MustParseAddrPort(vals[i+1])})
		}
	default:
		return fmt.Errorf("no setting %q", key)
	}
	return err
}
