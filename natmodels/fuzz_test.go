package natmodels

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// input hands out the bytes of a fuzz case, and zeros when they are used up.
type input []byte

func (in *input) take(n int) []byte {
	b := make([]byte, n)
	*in = (*in)[copy(b, *in):]
	return b
}

func (in *input) byte() byte { return in.take(1)[0] }

func (in *input) uint16() uint16 { return binary.BigEndian.Uint16(in.take(2)) }

func (in *input) duration() time.Duration {
	return time.Duration(int32(binary.BigEndian.Uint32(in.take(4)))) * time.Millisecond
}

// addr returns one of the addresses that matter, or any other, valid or not.
func (in *input) addr() netip.Addr {
	known := []netip.Addr{
		outsideA, outsideB, insideA.Addr(), insideB.Addr(), remoteY1.Addr(), remoteY2.Addr(),
		{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("2001:db8::1"),
		netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::ffff:10.0.0.2"),
		netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("255.255.255.255"),
	}
	switch b := in.byte(); {
	case int(b) < len(known):
		return known[b]
	case b < 128:
		return netip.AddrFrom4([4]byte(in.take(4)))
	}
	return netip.AddrFrom16([16]byte(in.take(16)))
}

func (in *input) endpoint() netip.AddrPort { return netip.AddrPortFrom(in.addr(), in.uint16()) }

func (in *input) config() Config {
	cfg := Config{
		Kind:             Kind(in.byte()),
		Mapping:          Dependence(in.byte()),
		Filtering:        Dependence(in.byte()),
		FilterScope:      FilterScope(in.byte()),
		PortChoice:       PortChoice(in.byte()),
		Step:             int(int16(in.uint16())),
		PortRange:        PortRange{in.uint16(), in.uint16()},
		IdleTimeout:      in.duration(),
		UnrepliedTimeout: in.duration(),
		Refresh:          Refresh(in.byte()),
		Hairpin:          HairpinMode(in.byte()),
		Pooling:          Pooling(in.byte()),
		Seed:             uint64(in.byte()),
	}
	for range in.byte() % 4 {
		cfg.External = append(cfg.External, in.addr())
	}
	for range in.byte() % 3 {
		cfg.Static = append(cfg.Static, StaticMapping{Protocol(in.byte()), in.endpoint(), in.endpoint()})
	}
	in.policy(&cfg)
	return cfg
}

// policy reads the settings that few NATs have; where the input ends they are zero.
func (in *input) policy(cfg *Config) {
	seconds := func() time.Duration { return time.Duration(int8(in.byte())) * time.Second }
	flags := in.byte()
	cfg.Parity, cfg.Contiguous, cfg.PortClasses = flags&1 != 0, flags&2 != 0, flags&4 != 0
	cfg.PassInvalid, cfg.SIPHelper, cfg.TCP.Own = flags&8 != 0, flags&16 != 0, flags&32 != 0
	cfg.ReuseDelay, cfg.StreamAfter, cfg.WellKnownTimeout, cfg.PermissionTimeout = seconds(), seconds(), seconds(), seconds()
	cfg.Unsolicited, cfg.WhenFull, cfg.TCP.SYN = Unsolicited(in.byte()), WhenFull(in.byte()), SYNPolicy(in.byte())
	cfg.TCP.Mapping, cfg.TCP.Filtering = Dependence(in.byte()), Dependence(in.byte())
	cfg.Limits = Limits{int(int8(in.byte())), int(int8(in.byte()))}
	cfg.UnderLoad = UnderLoad{int(int8(in.byte())), Dependence(in.byte()), PortChoice(in.byte())}
	cfg.ICMPTimeout, cfg.Tracking.Established = seconds(), seconds()
	if bits := int(in.byte()); bits > 0 {
		cfg.Blocks = Blocks{netip.PrefixFrom(in.addr(), bits).Masked(), int(in.byte())}
	}
	if bits := int(in.byte()); bits > 0 {
		cfg.Prefixes = []PrefixMapping{{netip.PrefixFrom(in.addr(), bits).Masked(), netip.PrefixFrom(in.addr(), bits).Masked()}}
	}
	switch bits := int(in.byte()); {
	case bits > 128:
		cfg.NAT64 = netip.MustParsePrefix("64:ff9b::/96")
	case bits > 0:
		cfg.NAT64 = netip.PrefixFrom(in.addr(), bits).Masked()
	}
}

// a configuration that is valid, for the seeds
var fuzzConfig = []byte{
	0, 2, 2, 1, 3, // translator, apdm, apdf, per endpoint, sequential
	0, 1, 0x13, 0xc4, 0x13, 0xc8, // step 1, ports 5060-5064
	0, 0, 0x75, 0x30, 0, 0, 0, 0, // idle 30 s
	2, 1, 1, 7, // refresh both, external source, arbitrary, seed
	2, 0, 1, // two addresses
	1, 17, 2, 0x1f, 0x90, 0, 0, 80, // one forward
}

// FuzzConfig: New refuses exactly what Validate refuses, with an error that names the
// field, and a NAT from any other configuration carries packets and keeps its counters.
func FuzzConfig(f *testing.F) {
	f.Add(fuzzConfig)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, data []byte) {
		in := input(data)
		cfg := in.config()
		invalid := cfg.Validate()
		n, err := New(cfg)
		if (err == nil) != (invalid == nil) {
			t.Fatalf("Validate says %v, New says %v", invalid, err)
		}
		if err != nil {
			var field *ConfigError
			if !errors.Is(err, ErrInvalidConfig) || !errors.As(err, &field) || field.Field == "" {
				t.Fatalf("%v is not a ConfigError", err)
			}
			return
		}
		play(t, n, &in)
	})
}

// FuzzPackets plays any packets to a valid NAT, with changes of behavior between.
func FuzzPackets(f *testing.F) {
	f.Add([]byte{0, 2, 0x13, 0xc4, 4, 0x0d, 0x96, 1, 4, 0x0d, 0x96, 0, 0x13, 0xc4})
	f.Fuzz(func(t *testing.T, data []byte) {
		seed := input(fuzzConfig)
		n, err := New(seed.config())
		if err != nil {
			t.Fatal(err)
		}
		in := input(data)
		play(t, n, &in)
	})
}

func play(t *testing.T, n *NAT, in *input) {
	now := benchStart
	for steps := 0; len(*in) > 0 && steps < 1000; steps++ {
		switch op := in.byte(); op % 8 {
		case 0, 1, 2:
			p := Packet{Protocol: UDP, Src: in.endpoint(), Dst: in.endpoint()}
			checkVerdict(t, n, p, n.Outbound(p, now))
		case 3, 4:
			p := Packet{Protocol: UDP, Src: in.endpoint(), Dst: in.endpoint()}
			checkVerdict(t, n, p, n.Inbound(p, now))
		case 5:
			now = now.Add(in.duration())
		case 6:
			p := Packet{Protocol: Protocol(in.byte()), Src: in.endpoint(), Dst: in.endpoint()}
			checkVerdict(t, n, p, n.Inbound(p, now))
		case 7:
			changeSomething(n, in)
		}
	}
	conserved(t, n, now)
}

func changeSomething(n *NAT, in *input) {
	switch in.byte() % 3 {
	case 0:
		n.Flush()
	case 1:
		var external []netip.Addr
		for range in.byte() % 4 {
			external = append(external, in.addr())
		}
		_ = n.Renumber(external) // refused or not, the NAT goes on
	case 2:
		cfg := in.config()
		cfg.External, cfg.Static = nil, nil
		_ = n.SetBehavior(cfg)
	}
}

// least is the plainest valid configuration of a kind.
func least(k Kind) Config {
	switch k {
	case Translator:
		return Config{External: []netip.Addr{outsideA, outsideB}}
	case Conntrack:
		return Config{Kind: k, Filtering: AddressAndPortDependent, Refresh: RefreshBoth, External: []netip.Addr{outsideA}}
	case Firewall:
		return Config{Kind: k, Refresh: RefreshBoth}
	case PrefixTranslator:
		return Config{Kind: k, Prefixes: []PrefixMapping{{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("198.51.100.0/24")}}}
	}
	return Config{Kind: Router}
}

// valid reads a configuration of a kind, in which what does not go with the rest is as
// in the plainest one.
func (in *input) valid(k Kind) Config {
	cfg, plain := in.config(), least(k)
	cfg.Kind, cfg.External, cfg.Prefixes = k, plain.External, plain.Prefixes
	if k == Conntrack && cfg.PortChoice == Random {
		plain.Mapping = AddressAndPortDependent
	}
	return cured(cfg, plain, func(c Config) Config { return c })
}

// cured is cfg in which what makes seen(cfg) invalid is as in plain.
func cured(cfg, plain Config, seen func(Config) Config) Config {
	to, from := reflect.ValueOf(&cfg).Elem(), reflect.ValueOf(plain)
	for range to.NumField() {
		err := seen(cfg).Validate()
		if err == nil {
			return cfg
		}
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			field, _, _ := strings.Cut(e.(*ConfigError).Field, ".")
			to.FieldByName(field).Set(from.FieldByName(field))
		}
	}
	return plain
}

// near reads an endpoint out of few, so that packets meet.
func (in *input) near() netip.AddrPort {
	addresses := []netip.Addr{insideA.Addr(), insideB.Addr(), remoteY1.Addr(), remoteY2.Addr(), outsideA, outsideB}
	ports := []uint16{5060, 5061, 3478, 80, 0, 65535}
	b := int(in.byte())
	if b == 255 {
		return in.endpoint()
	}
	return netip.AddrPortFrom(addresses[b%len(addresses)], ports[b/len(addresses)%len(ports)])
}

// packet reads a packet of any protocol, with another one in it or without.
func (in *input) packet(depth int) Packet {
	p := Packet{Protocol: []Protocol{UDP, TCP, TCP, ICMP, ICMP, ICMPv6, 47}[in.byte()%7], Src: in.near(), Dst: in.near()}
	switch {
	case p.Protocol == TCP:
		p.Flags = TCPFlags(in.byte())
		p.Seq, p.Ack = uint32(in.byte()%4), uint32(in.byte()%4)
	case p.icmp():
		p.Type = []uint8{EchoRequest, EchoReply, DestUnreachable, TimeExceeded, V6EchoRequest, V6EchoReply, V6DestUnreachable, 200}[in.byte()%8]
		p.Code = in.byte()
		if request, reply := p.echo(); request || reply {
			p.Dst = netip.AddrPortFrom(p.Dst.Addr(), p.Src.Port())
		}
	}
	if flags := in.byte(); depth < 3 && (p.icmp() && flags%2 == 1 || flags > 250) {
		q := in.packet(depth + 1)
		p.Quoted = &q
	}
	return p
}

// FuzzMixed plays packets of every protocol, pauses and changes to a box of any kind and
// to what was saved of it before, which must answer the same.
func FuzzMixed(f *testing.F) {
	for k := range byte(5) {
		f.Add(append([]byte{k}, fuzzConfig...))
		f.Add(append([]byte{k, 255, 0, 1, 1, 2}, fuzzConfig...))
	}
	f.Add(slices.Concat([]byte{0}, fuzzConfig, make([]byte, 19), []byte{255}, fuzzConfig, fuzzConfig))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := input(data)
		k := Kind(in.byte() % 5)
		cfg := in.valid(k)
		n, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		twin, now := n.Snapshot().Restore(), benchStart
		for steps := 0; len(in) > 0 && steps < 500; steps++ {
			switch op := in.byte() % 12; op {
			case 0, 1, 2, 3:
				p := in.packet(0)
				if n.cfg.NAT64.IsValid() && in.byte()%8 > 0 {
					p = fromHost(n.cfg.NAT64, p)
				}
				checkTwins(t, n, twin, p, n.Outbound(p, now), twin.Outbound(p, now))
			case 4, 5, 6, 7:
				p := in.packet(0)
				checkTwins(t, n, twin, p, n.Inbound(p, now), twin.Inbound(p, now))
			case 8:
				now = now.Add(max(0, in.duration()))
			case 9:
				checkDue(t, n, twin, now)
			case 10:
				changeBoth(n, twin, &in, now)
			case 11:
				n, twin = twin, n.Snapshot().Restore()
			}
		}
		conserved(t, n, now)
		if got, want := twin.Mappings(now), n.Mappings(now); !slices.Equal(got, want) {
			t.Fatalf("restored: %v, want %v", got, want)
		}
	})
}

// changeBoth changes two boxes in the same way, at the same time.
func changeBoth(n, twin *NAT, in *input, now time.Time) {
	n.Advance(now)
	twin.Advance(now)
	again := slices.Clone(*in)
	for _, box := range []*NAT{n, twin} {
		*in = slices.Clone(again)
		if in.byte()%4 > 0 {
			changeSomething(box, in)
			continue
		}
		cfg := in.valid(box.cfg.Kind)
		cfg.External, cfg.Static, cfg.Prefixes, cfg.NAT64 = nil, nil, nil, box.cfg.NAT64
		_ = box.SetBehavior(cfg)
	}
}

func checkDue(t *testing.T, n, twin *NAT, now time.Time) {
	at, ok := n.NextDue()
	due := n.Due(now)
	if early := ok && !at.After(now) && now.Sub(at) < synHold; early != (len(due) > 0) {
		t.Fatalf("due at %v: %v, but next was %v %v", now, due, at, ok)
	}
	if !slices.EqualFunc(due, twin.Due(now), Packet.Equal) {
		t.Fatalf("due: %v, but not restored", due)
	}
}

func checkTwins(t *testing.T, n, twin *NAT, p Packet, v, u Verdict) {
	t.Helper()
	checkVerdict(t, n, p, v)
	same := v.Packet.Equal(u.Packet)
	v.Packet, u.Packet = Packet{}, Packet{}
	if !same || v != u {
		t.Fatalf("%v: %+v, but restored, %+v", p, v, u)
	}
}

// checkVerdict checks what holds for every verdict.
func checkVerdict(t *testing.T, n *NAT, p Packet, v Verdict) {
	t.Helper()
	if n.Explain(v) == "" {
		t.Fatalf("%v: no explanation", p)
	}
	switch {
	case v.Action == Reply && v.Reason == NotDropped:
		t.Fatalf("%v: answered for no reason: %+v", p, v)
	case v.Action == Drop && (v.Reason == NotDropped || !v.Packet.Equal(p)):
		t.Fatalf("%v: dropped for no reason, or changed: %+v", p, v)
	case v.Action != Drop && v.Action != Reply && v.Reason != NotDropped:
		t.Fatalf("%v: %v, but %v", p, v.Action, v.Reason)
	case v.Action == Forward && n.cfg.Kind == Translator && !translatedBy(v.Mapping, v.Packet):
		t.Fatalf("%v: not translated by its mapping: %+v", p, v)
	case v.Since < 0 || v.Since > 0 && v.Reason != Expired:
		t.Fatalf("%v: %+v", p, v)
	}
}

// translatedBy reports whether a packet shows an endpoint of a mapping. An ICMP error
// shows its address, and in the packet that it quotes, the endpoint.
func translatedBy(m MappingInfo, p Packet) bool {
	if q := p.Quoted; q != nil {
		return p.Src.Addr() == m.External.Addr() && q.Dst == m.External || p.Dst.Addr() == m.Internal.Addr() && q.Src == m.Internal
	}
	return p.Src == m.External || p.Dst == m.Internal
}
