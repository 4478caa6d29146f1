package stun

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/stun/v3"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/stunclient/attr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// still is a socket that is never used: these tests look at decisions alone.
type still struct{ at netip.AddrPort }

func (s still) LocalAddr() net.Addr                     { return net.UDPAddrFromAddrPort(s.at) }
func (still) ReadFrom([]byte) (int, net.Addr, error)    { return 0, nil, net.ErrClosed }
func (still) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (still) Close() error                              { return nil }
func (still) SetDeadline(time.Time) error               { return nil }
func (still) SetReadDeadline(time.Time) error           { return nil }
func (still) SetWriteDeadline(time.Time) error          { return nil }

func stills(addrs ...string) []net.PacketConn {
	var conns []net.PacketConn
	for _, a := range addrs {
		conns = append(conns, still{netip.MustParseAddrPort(a)})
	}
	return conns
}

// The four sockets: D is where requests arrive, C the other.
const (
	a1p1 = "203.0.113.1:3478"
	a1p2 = "203.0.113.1:3479"
	a2p1 = "203.0.113.2:3478"
	a2p2 = "203.0.113.2:3479"
)

var (
	all    = []string{a1p1, a1p2, a2p1, a2p2}
	client = netip.MustParseAddrPort("198.51.100.7:40000")
	id     = attr.NewID([12]byte([]byte("twelve bytes")))
	oldID  = attr.ID([]byte("sixteen bytes id"))
)

func newServer(t testing.TB, cfg Config, addrs ...string) *Server {
	t.Helper()
	cfg.Conns = stills(addrs...)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func binding(id attr.ID, set ...pion.Setter) []byte {
	return pion.MustBuild(append([]pion.Setter{pion.BindingRequest, id}, set...)...).Raw
}

func ask(t testing.TB, s *Server, at int, b []byte) (answer, *pion.Message, Outcome) {
	t.Helper()
	a, o := s.answer(at, b, client)
	if a.raw == nil {
		return a, nil, o
	}
	h, m, err := attr.Decode(a.raw)
	if err != nil {
		t.Fatalf("the answer cannot be read: %v", err)
	}
	if len(b) >= 20 && !bytes.Equal(h.ID[:], b[4:20]) {
		t.Errorf("transaction id %x, want %x", h.ID, b[4:20])
	}
	return a, m, o
}

func addrOf(t testing.TB, m *pion.Message, typ pion.AttrType) string {
	t.Helper()
	a := attr.Address{Type: typ}
	if typ == pion.AttrXORMappedAddress {
		var x attr.XORMapped
		if x.GetFrom(m) != nil {
			return ""
		}
		return x.String()
	}
	if a.GetFrom(m) != nil {
		return ""
	}
	return a.String()
}

// types lists the attributes of a message by name, in order.
func types(m *pion.Message) string {
	var names []string
	for _, a := range m.Attributes {
		names = append(names, attr.Name(a.Type))
	}
	return strings.Join(names, " ")
}

// RFC 5780 section 6.1, table 1: from where the answer leaves, and OTHER-ADDRESS,
// relative to where the request arrived.
func TestChangeRequest(t *testing.T) {
	s := newServer(t, Config{}, all...)
	other := map[string]map[string]string{ // by arrival, by flags
		a1p1: {"": a1p1, "ip": a2p1, "port": a1p2, "ip+port": a2p2},
		a1p2: {"": a1p2, "ip": a2p2, "port": a1p1, "ip+port": a2p1},
		a2p1: {"": a2p1, "ip": a1p1, "port": a2p2, "ip+port": a1p2},
		a2p2: {"": a2p2, "ip": a1p2, "port": a2p1, "ip+port": a1p1},
	}
	flags := map[string]attr.ChangeRequest{"": {}, "ip": {IP: true}, "port": {Port: true}, "ip+port": {IP: true, Port: true}}
	for at, arrival := range all {
		for name, change := range flags {
			for _, old := range []bool{false, true} {
				rid, origin, others := id, pion.AttrResponseOrigin, pion.AttrOtherAddress
				if old {
					rid, origin, others = oldID, pion.AttrSourceAddress, pion.AttrChangedAddress
				}
				a, m, _ := ask(t, s, at, binding(rid, change))
				if m == nil || m.Type != pion.BindingSuccess {
					t.Fatalf("%s %s: %v", arrival, name, m)
				}
				from := s.grid.addrs[a.via].String()
				if want := other[arrival][name]; from != want || addrOf(t, m, origin) != want {
					t.Errorf("%s, change %q: from %s, origin %s, want %s", arrival, name, from, addrOf(t, m, origin), want)
				}
				if got, want := addrOf(t, m, others), other[arrival]["ip+port"]; got != want {
					t.Errorf("%s, change %q: OTHER-ADDRESS %s, want %s", arrival, name, got, want)
				}
				if a.dest != client {
					t.Errorf("sent to %v", a.dest)
				}
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	big := attr.Padding(100)
	raw := func(t pion.AttrType, v ...byte) pion.Setter { return pion.RawAttribute{Type: t, Value: v} }
	for _, tc := range []struct {
		name    string
		cfg     Config
		single  bool
		request []byte
		outcome Outcome
		code    pion.ErrorCode
		unknown pion.UnknownAttributes
		types   string
		dest    string
	}{
		{name: "plain", request: binding(id), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},
		{name: "single address", single: true, request: binding(id), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN"},
		{name: "software", cfg: Config{Software: "x"}, request: binding(id), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS SOFTWARE"},
		{name: "fingerprint", request: binding(id, pion.Fingerprint), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS FINGERPRINT"},
		{name: "padding", request: binding(id, big), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS PADDING"},
		{name: "padding with fingerprint", request: binding(id, big, pion.Fingerprint), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS PADDING FINGERPRINT"},
		{name: "padding with CHANGE-REQUEST", request: binding(id, big, attr.ChangeRequest{IP: true}), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS PADDING"},
		{name: "response port", request: binding(id, attr.ResponsePort(5000)), outcome: Answered, dest: "198.51.100.7:5000",
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},
		{name: "response port of 2 bytes", request: binding(id, raw(pion.AttrResponsePort, 0x13, 0x88)), outcome: Answered, dest: "198.51.100.7:5000",
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},
		{name: "response port with one socket", single: true, request: binding(id, attr.ResponsePort(5000)), outcome: Answered, dest: "198.51.100.7:5000",
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN"},
		{name: "credentials are ignored", request: binding(id, pion.NewUsername("u"), pion.NewShortTermIntegrity("p")), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},
		{name: "unknown optional", request: binding(id, raw(0x8FFF, 1)), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},
		{name: "known but unexpected", request: binding(id, attr.XORMapped{AddrPort: client}), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},
		{name: "unknown required behind MESSAGE-INTEGRITY", request: binding(id, pion.NewShortTermIntegrity("p"), raw(0x7777)), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},

		{name: "padding and response port", request: binding(id, big, attr.ResponsePort(5000)), outcome: BadRequest, code: 400, types: "ERROR-CODE RESPONSE-ORIGIN"},
		{name: "response port 0", request: binding(id, attr.ResponsePort(0)), outcome: BadRequest, code: 400, types: "ERROR-CODE RESPONSE-ORIGIN"},
		{name: "response port of 3 bytes", request: binding(id, raw(pion.AttrResponsePort, 1, 2, 3)), outcome: BadRequest, code: 400, types: "ERROR-CODE RESPONSE-ORIGIN"},
		{name: "CHANGE-REQUEST of 3 bytes", request: binding(id, raw(pion.AttrChangeRequest, 1, 2, 3)), outcome: BadRequest, code: 400, types: "ERROR-CODE RESPONSE-ORIGIN"},
		{name: "attribute longer than the message", request: malformed(id), outcome: BadRequest, code: 400, types: "ERROR-CODE RESPONSE-ORIGIN"},
		{name: "error with software and fingerprint", cfg: Config{Software: "x"}, request: binding(id, attr.ResponsePort(0), pion.Fingerprint), outcome: BadRequest, code: 400,
			types: "ERROR-CODE RESPONSE-ORIGIN SOFTWARE FINGERPRINT"},

		{name: "unknown required", request: binding(id, raw(0x7777), raw(0x8888), raw(0x0042), raw(0x7777)), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{0x7777, 0x0042}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES RESPONSE-ORIGIN"},
		{name: "420 comes before 400", request: binding(id, raw(0x7777), attr.ResponsePort(0)), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{0x7777}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES RESPONSE-ORIGIN"},
		{name: "CHANGE-REQUEST with one socket", single: true, request: binding(id, attr.ChangeRequest{IP: true}), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{3}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES RESPONSE-ORIGIN"},
		{name: "CHANGE-REQUEST without flags with one socket", single: true, request: binding(id, attr.ChangeRequest{}), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{3}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES RESPONSE-ORIGIN"},
		{name: "RESPONSE-ADDRESS with the magic cookie", cfg: Config{ResponseAddress: true}, request: binding(id, attr.Address{Type: attr.ResponseAddressType, AddrPort: client}),
			outcome: UnknownAttribute, code: 420, unknown: pion.UnknownAttributes{2}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES RESPONSE-ORIGIN"},
		{name: "RFC 5769 request", request: vector(t, "request"), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{pion.AttrPriority}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES RESPONSE-ORIGIN FINGERPRINT"},
		{name: "RFC 5769 request, long-term", request: vector(t, "request-long-term"), outcome: Answered,
			types: "MAPPED-ADDRESS XOR-MAPPED-ADDRESS RESPONSE-ORIGIN OTHER-ADDRESS"},

		{name: "RFC 3489", request: binding(oldID), outcome: AnsweredLegacy, types: "MAPPED-ADDRESS SOURCE-ADDRESS CHANGED-ADDRESS"},
		{name: "RFC 3489, single address", single: true, request: binding(oldID), outcome: AnsweredLegacy, types: "MAPPED-ADDRESS SOURCE-ADDRESS"},
		{name: "RFC 3489, fingerprint means nothing", cfg: Config{Software: "x"}, request: binding(oldID, raw(pion.AttrFingerprint, 1, 2, 3, 4)), outcome: AnsweredLegacy,
			types: "MAPPED-ADDRESS SOURCE-ADDRESS CHANGED-ADDRESS"},
		{name: "RFC 3489, password", request: binding(oldID, raw(attr.PasswordType, 1, 2, 3, 4)), outcome: AnsweredLegacy, types: "MAPPED-ADDRESS SOURCE-ADDRESS CHANGED-ADDRESS"},
		{name: "RFC 3489, one socket, CHANGE-REQUEST", single: true, request: binding(oldID, attr.ChangeRequest{Port: true}), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{3, 3}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES"},
		{name: "RFC 3489, two unknown", request: binding(oldID, raw(0x7777), raw(0x7778)), outcome: UnknownAttribute, code: 420,
			unknown: pion.UnknownAttributes{0x7777, 0x7778}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES"},
		{name: "RFC 3489, malformed", request: malformed(oldID), outcome: BadRequest, code: 400, types: "ERROR-CODE"},
		{name: "RFC 3489, RESPONSE-ADDRESS not allowed", request: binding(oldID, attr.Address{Type: attr.ResponseAddressType, AddrPort: client}),
			outcome: UnknownAttribute, code: 420, unknown: pion.UnknownAttributes{2, 2}, types: "ERROR-CODE UNKNOWN-ATTRIBUTES"},
		{name: "RFC 3489, RESPONSE-ADDRESS", cfg: Config{ResponseAddress: true},
			request: binding(oldID, attr.Address{Type: attr.ResponseAddressType, AddrPort: netip.MustParseAddrPort("192.0.2.99:99")}),
			outcome: AnsweredLegacy, dest: "192.0.2.99:99", types: "MAPPED-ADDRESS SOURCE-ADDRESS CHANGED-ADDRESS REFLECTED-FROM"},
		{name: "RFC 3489, RESPONSE-ADDRESS unreadable", cfg: Config{ResponseAddress: true}, request: binding(oldID, raw(attr.ResponseAddressType, 1, 2, 3, 4)),
			outcome: BadRequest, code: 400, types: "ERROR-CODE"},
		{name: "RFC 3489, RESPONSE-ADDRESS without port", cfg: Config{ResponseAddress: true},
			request: binding(oldID, attr.Address{Type: attr.ResponseAddressType, AddrPort: netip.MustParseAddrPort("192.0.2.99:0")}),
			outcome: BadRequest, code: 400, types: "ERROR-CODE"},
		{name: "RFC 3489, RESPONSE-ADDRESS of another family", cfg: Config{ResponseAddress: true},
			request: binding(oldID, attr.Address{Type: attr.ResponseAddressType, AddrPort: netip.MustParseAddrPort("[2001:db8::1]:1")}),
			outcome: BadRequest, code: 400, types: "ERROR-CODE"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addrs := all
			if tc.single {
				addrs = all[:1]
			}
			s := newServer(t, tc.cfg, addrs...)
			a, m, outcome := ask(t, s, 0, tc.request)
			if outcome != tc.outcome || m == nil {
				t.Fatalf("outcome %v, want %v; %v", outcome, tc.outcome, m)
			}
			if got := types(m); got != tc.types {
				t.Errorf("attributes %s, want %s", got, tc.types)
			}
			if want := tc.dest; want == "" && a.dest != client || want != "" && a.dest.String() != want {
				t.Errorf("sent to %v", a.dest)
			}
			if err := attr.CheckFingerprint(m); err != nil {
				t.Error(err)
			}
			if tc.code == 0 {
				if m.Type != pion.BindingSuccess || addrOf(t, m, pion.AttrMappedAddress) != client.String() {
					t.Errorf("%v", m)
				}
				if m.Contains(pion.AttrXORMappedAddress) && addrOf(t, m, pion.AttrXORMappedAddress) != client.String() {
					t.Errorf("%v", m)
				}
				if reflected := addrOf(t, m, attr.ReflectedFromType); reflected != "" && reflected != client.String() {
					t.Errorf("REFLECTED-FROM %s", reflected)
				}
				return
			}
			var code pion.ErrorCodeAttribute
			if code.GetFrom(m) != nil || code.Code != tc.code || m.Type != pion.BindingError || a.via != 0 {
				t.Errorf("%v %v", m, code)
			}
			var unknown pion.UnknownAttributes
			if _ = unknown.GetFrom(m); !slices.Equal(unknown, tc.unknown) {
				t.Errorf("unknown %v, want %v", unknown, tc.unknown)
			}
			for _, at := range m.Attributes { // RFC 3489 knows no padding behind a value
				if !pion.IsMessage(tc.request) && at.Length%4 != 0 {
					t.Errorf("%s of %d bytes", attr.Name(at.Type), at.Length)
				}
			}
		})
	}
}

// malformed has a sound header and an attribute that is longer than the message.
func malformed(id attr.ID) []byte {
	b := append(binding(id), 0x80, 0x22, 0, 8)
	b[3] = 4
	return b
}

func TestDropped(t *testing.T) {
	change := func(b []byte, f func([]byte) []byte) []byte { return f(bytes.Clone(b)) }
	plain := binding(id, pion.NewSoftware("soft"))
	typed := func(m pion.Method, c pion.MessageClass, id attr.ID) []byte {
		return pion.MustBuild(pion.NewType(m, c), id).Raw
	}
	indication := change(malformed(id), func(b []byte) []byte { b[1] = 0x11; return b })
	for _, tc := range []struct {
		name string
		b    []byte
		src  netip.AddrPort
		want Outcome
	}{
		{"nothing", nil, client, TooShort},
		{"four zero bytes", make([]byte, 4), client, TooShort},
		{"cut off in the header", plain[:19], client, TooShort},
		{"SIP", []byte("REGISTER sip:example.com SIP/2.0\r\n\r\n"), client, NotSTUN},
		{"RTP", change(plain, func(b []byte) []byte { b[0] = 0x80; return b }), client, NotSTUN},
		{"channel data", change(plain, func(b []byte) []byte { b[0] = 0x40; return b }), client, NotSTUN},
		{"cut off in the attributes", plain[:24], client, BadLength},
		{"bytes behind it", append(bytes.Clone(plain), 0, 0, 0, 0), client, BadLength},
		{"length 1", change(plain, func(b []byte) []byte { b[3] = 1; return b[:21] }), client, BadLength},
		{"length 65532", change(plain, func(b []byte) []byte { b[2], b[3] = 0xFF, 0xFC; return b }), client, BadLength},
		{"20 zero bytes", make([]byte, 20), client, Unsupported},
		{"success response", typed(pion.MethodBinding, pion.ClassSuccessResponse, id), client, Unsupported},
		{"error response", typed(pion.MethodBinding, pion.ClassErrorResponse, id), client, Unsupported},
		{"TURN Allocate", typed(pion.MethodAllocate, pion.ClassRequest, id), client, Unsupported},
		{"RFC 3489 Shared Secret Request", typed(2, pion.ClassRequest, oldID), client, Unsupported},
		{"RFC 3489 has no indications", typed(pion.MethodBinding, pion.ClassIndication, oldID), client, Unsupported},
		{"indication", typed(pion.MethodBinding, pion.ClassIndication, id), client, Indication},
		{"indication with unknown attributes", pion.MustBuild(bindingIndication, id, pion.RawAttribute{Type: 0x7777}).Raw, client, Indication},
		{"malformed indication", indication, client, BadAttributes},
		{"wrong fingerprint", change(binding(id, pion.Fingerprint), func(b []byte) []byte { b[len(b)-1]++; return b }), client, BadFingerprint},
		{"fingerprint not last", binding(id, pion.Fingerprint, pion.NewSoftware("x")), client, BadFingerprint},
		{"fingerprint of 2 bytes", binding(id, pion.RawAttribute{Type: pion.AttrFingerprint, Value: []byte{1, 2}}), client, BadFingerprint},
		{"source port 0", plain, netip.AddrPortFrom(client.Addr(), 0), BadSource},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, Config{}, all...)
			a, outcome := s.answer(0, tc.b, tc.src)
			if outcome != tc.want || a.raw != nil {
				t.Errorf("got %v %x, want %v", outcome, a.raw, tc.want)
			}
		})
	}
}

// Every message cut off at every length is dropped, never answered.
func TestTruncated(t *testing.T) {
	s := newServer(t, Config{ResponseAddress: true}, all...)
	for _, b := range [][]byte{binding(id, attr.ChangeRequest{IP: true}, attr.Padding(8), pion.Fingerprint), binding(oldID, attr.ChangeRequest{}), vector(t, "request")} {
		for n := range b {
			if a, o := s.answer(1, b[:n], client); a.raw != nil || o != TooShort && o != BadLength {
				t.Errorf("%d of %d bytes: %v", n, len(b), o)
			}
		}
	}
}

func TestPaddingLength(t *testing.T) {
	for mtu, want := range map[int]int{0: 1500, 1500: 1500, 1497: 1500, 68: 68, 1501: 1504, 64000: 64000} {
		s := newServer(t, Config{MTU: mtu, Software: strings.Repeat("😀", 127)}, all...)
		_, m, _ := ask(t, s, 0, binding(id, attr.Padding(1), pion.Fingerprint))
		var p attr.Padding
		if err := p.GetFrom(m); err != nil || int(p) != want {
			t.Errorf("MTU %d: %d bytes, %v; want %d", mtu, p, err, want)
		}
		if len(m.Raw) > 65507 {
			t.Errorf("MTU %d: %d bytes do not fit a datagram", mtu, len(m.Raw))
		}
	}
}

func TestIPv6(t *testing.T) {
	s := newServer(t, Config{}, "[2001:db8::1]:3478", "[2001:db8::1]:3479", "[2001:db8::2]:3478", "[2001:db8::2]:3479")
	src := netip.MustParseAddrPort("[2001:db8::99]:4000")
	a, _ := s.answer(0, binding(id), src)
	_, m, err := attr.Decode(a.raw)
	if err != nil {
		t.Fatal(err)
	}
	for typ, want := range map[pion.AttrType]string{
		pion.AttrMappedAddress: src.String(), pion.AttrXORMappedAddress: src.String(),
		pion.AttrResponseOrigin: "[2001:db8::1]:3478", pion.AttrOtherAddress: "[2001:db8::2]:3479",
	} {
		if got := addrOf(t, m, typ); got != want {
			t.Errorf("%s %s, want %s", attr.Name(typ), got, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		cfg  Config
		says string
	}{
		{"no sockets", Config{}, "0 sockets"},
		{"nil", Config{Conns: []net.PacketConn{nil}}, "nil"},
		{"two", Config{Conns: stills(a1p1, a2p2)}, "2 sockets"},
		{"one twice", Config{Conns: stills(a1p1, a1p2, a2p1, a2p1)}, "twice"},
		{"three addresses", Config{Conns: stills(a1p1, a1p2, a2p1, "203.0.113.3:3479")}, "two addresses"},
		{"three ports", Config{Conns: stills(a1p1, a1p2, a2p1, "203.0.113.2:3480")}, "two addresses"},
		{"four ports of one address", Config{Conns: stills("203.0.113.1:1", "203.0.113.1:2", "203.0.113.1:3", "203.0.113.1:4")}, "two addresses"},
		{"unspecified address", Config{Conns: stills("0.0.0.0:3478")}, "concrete"},
		{"port 0", Config{Conns: stills("203.0.113.1:0")}, "concrete"},
		{"mixed", Config{Conns: stills("203.0.113.1:1", "203.0.113.1:2", "[2001:db8::1]:1", "[2001:db8::1]:2")}, "mix"},
		{"small MTU", Config{Conns: stills(a1p1), MTU: 67}, "MTU"},
		{"negative MTU", Config{Conns: stills(a1p1), MTU: -1}, "MTU"},
		{"large MTU", Config{Conns: stills(a1p1), MTU: 64001}, "MTU"},
		{"long SOFTWARE", Config{Conns: stills(a1p1), Software: strings.Repeat("x", 128)}, "SOFTWARE"},
		{"control character in SOFTWARE", Config{Conns: stills(a1p1), Software: "a\r\nb"}, "SOFTWARE: control character"},
		{"SOFTWARE that is not UTF-8", Config{Conns: stills(a1p1), Software: "\xff"}, "not UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(tc.cfg)
			if err == nil || !strings.HasPrefix(err.Error(), "stun: new: ") || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSocketsInAnyOrder(t *testing.T) {
	s := newServer(t, Config{}, a2p2, a1p2, a1p1, a2p1)
	_, m, _ := ask(t, s, 2, binding(id))
	if got := addrOf(t, m, pion.AttrOtherAddress); got != a2p2 {
		t.Errorf("OTHER-ADDRESS %s", got)
	}
}

func TestOutcomeNames(t *testing.T) {
	seen := map[string]bool{}
	for o := range outcomes {
		if name := o.String(); name == "" || seen[name] {
			t.Errorf("outcome %d: %q", o, name)
		} else {
			seen[name] = true
		}
	}
	if got := Outcome(200).String(); got != "unknown" {
		t.Errorf("got %q", got)
	}
}

func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "stunclient", "attr", "testdata", "rfc5769", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		code, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// checkAnswer holds for whatever a server makes of b.
func checkAnswer(t *testing.T, s *Server, b []byte) {
	t.Helper()
	before := bytes.Clone(b)
	a, o := s.answer(0, b, client)
	if !bytes.Equal(b, before) {
		t.Fatal("input changed")
	}
	if a.raw == nil {
		if o < Indication || o == Unencodable {
			t.Fatalf("no answer, outcome %v", o)
		}
		return
	}
	h, m, err := attr.Decode(a.raw)
	if err != nil || !bytes.Equal(h.ID[:], b[4:20]) || a.dest.Port() == 0 || o > UnknownAttribute {
		t.Fatalf("%v, to %v, outcome %v: %v", m, a.dest, o, err)
	}
	want := map[Outcome]pion.MessageType{Answered: pion.BindingSuccess, AnsweredLegacy: pion.BindingSuccess,
		BadRequest: pion.BindingError, UnknownAttribute: pion.BindingError}[o]
	if m.Type != want || (o == Answered) != (m.Contains(pion.AttrXORMappedAddress)) {
		t.Fatalf("%v, outcome %v", m, o)
	}
	if a2, _ := s.answer(0, a.raw, client); a2.raw != nil {
		t.Fatal("the answer is answered") // two servers would talk for ever
	}
}

func TestRandomBytes(t *testing.T) {
	s := newServer(t, Config{ResponseAddress: true}, all...)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := make([]byte, rng.IntN(200))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if len(b) >= 20 && rng.IntN(4) > 0 { // a sound header, so that the rest is looked at
			b = b[:20+(len(b)-20)&^3]
			copy(b, []byte{0, 1})
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
			if rng.IntN(2) > 0 {
				binary.BigEndian.PutUint32(b[4:], attr.Cookie)
			}
			for i := 20; i+3 < len(b); i += 8 { // attributes of four bytes
				binary.BigEndian.PutUint16(b[i:], uint16(rng.IntN(0x30)))
				binary.BigEndian.PutUint16(b[i+2:], uint16(rng.IntN(6)))
			}
		}
		checkAnswer(t, s, b)
	}
}

func FuzzServerPacket(f *testing.F) {
	for _, b := range [][]byte{
		binding(id), binding(id, pion.Fingerprint), binding(oldID), malformed(id), malformed(oldID),
		binding(id, attr.ChangeRequest{IP: true, Port: true}, attr.ResponsePort(5), attr.Padding(5)),
		binding(oldID, attr.Address{Type: attr.ResponseAddressType, AddrPort: client}),
		vector(f, "request"), vector(f, "request-long-term"), vector(f, "response-ipv4"),
		[]byte("\x00\x00\x00\x00"), nil,
	} {
		f.Add(b, true)
		f.Add(b, false)
	}
	full, single := newServer(f, Config{ResponseAddress: true}, all...), newServer(f, Config{}, a1p1)
	f.Fuzz(func(t *testing.T, b []byte, four bool) {
		s := single
		if four {
			s = full
		}
		checkAnswer(t, s, b)
	})
}
