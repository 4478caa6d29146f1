package attr_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// vector reads a file of hexadecimal with comments.
func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "rfc5769", name+".hex"))
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

func TestRFC5769(t *testing.T) {
	for _, tc := range []struct {
		name    string
		class   pion.MessageClass
		mapped  string
		types   int // number of attributes
		check   pion.Checker
		hasFing bool
	}{
		{"request", pion.ClassRequest, "", 6, pion.NewShortTermIntegrity("VOkJxbRl1RmTxUk/WvJxBt"), true},
		{"response-ipv4", pion.ClassSuccessResponse, "192.0.2.1:32853", 4, pion.NewShortTermIntegrity("VOkJxbRl1RmTxUk/WvJxBt"), true},
		{"response-ipv6", pion.ClassSuccessResponse, "[2001:db8:1234:5678:11:2233:4455:6677]:32853", 4, pion.NewShortTermIntegrity("VOkJxbRl1RmTxUk/WvJxBt"), true},
		{"request-long-term", pion.ClassRequest, "", 4, pion.NewLongTermIntegrity("マトリックス", "example.org", "TheMatrIX"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := vector(t, tc.name)
			h, m, err := attr.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if h.ID.Legacy() || h.Type != pion.NewType(pion.MethodBinding, tc.class) {
				t.Errorf("header %+v", h)
			}
			if len(m.Attributes) != tc.types {
				t.Errorf("%d attributes, want %d", len(m.Attributes), tc.types)
			}
			if err := tc.check.Check(m); err != nil {
				t.Errorf("MESSAGE-INTEGRITY: %v", err)
			}
			if got := m.Contains(pion.AttrFingerprint); got != tc.hasFing {
				t.Errorf("has FINGERPRINT: %v", got)
			}
			if err := attr.CheckFingerprint(m); err != nil {
				t.Errorf("FINGERPRINT: %v", err)
			}
			var x attr.XORMapped
			if err := x.GetFrom(m); tc.mapped != "" && (err != nil || x.String() != tc.mapped) {
				t.Errorf("XOR-MAPPED-ADDRESS %v, %v, want %s", x, err, tc.mapped)
			}
			for i := range b { // any changed bit of a message with FINGERPRINT is noticed
				if !tc.hasFing {
					break
				}
				bad := bytes.Clone(b)
				bad[i] ^= 1
				if _, m, err := attr.Decode(bad); err == nil && m.Contains(pion.AttrFingerprint) && attr.CheckFingerprint(m) == nil {
					t.Errorf("byte %d changed, FINGERPRINT still right", i)
				}
			}
		})
	}
}

func TestParseHeader(t *testing.T) {
	good := []byte{0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x80, 0x22, 0, 0}
	with := func(f func([]byte) []byte) []byte { return f(bytes.Clone(good)) }
	for _, tc := range []struct {
		name string
		b    []byte
		want error
	}{
		{"good", good, nil},
		{"empty", nil, attr.ErrShort},
		{"four zero bytes", make([]byte, 4), attr.ErrShort},
		{"19 bytes", good[:19], attr.ErrShort},
		{"channel data", with(func(b []byte) []byte { b[0] = 0x40; return b }), attr.ErrNotSTUN},
		{"RTP", with(func(b []byte) []byte { b[0] = 0x80; return b }), attr.ErrNotSTUN},
		{"length not a multiple of four", with(func(b []byte) []byte { b[3] = 3; return b[:23] }), attr.ErrLength},
		{"cut off", good[:22], attr.ErrLength},
		{"bytes behind it", with(func(b []byte) []byte { return append(b, 0, 0, 0, 0) }), attr.ErrLength},
		{"length larger than the datagram", with(func(b []byte) []byte { b[2] = 0xFF; return b }), attr.ErrLength},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := attr.ParseHeader(tc.b); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if _, _, err := attr.Decode(tc.b); !errors.Is(err, tc.want) {
				t.Errorf("Decode: got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestDecodeLegacy(t *testing.T) {
	id := attr.ID{0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3}
	m := pion.MustBuild(pion.BindingRequest, id, attr.ChangeRequest{IP: true})
	h, got, err := attr.Decode(m.Raw)
	if err != nil || h.ID != id || !h.ID.Legacy() {
		t.Fatalf("%+v, %v", h, err)
	}
	var c attr.ChangeRequest
	if err := c.GetFrom(got); err != nil || c != (attr.ChangeRequest{IP: true}) {
		t.Errorf("%+v, %v", c, err)
	}
	if !bytes.Equal(got.Raw, m.Raw) {
		t.Errorf("the decoded message has other bytes: %x", got.Raw)
	}
}

func TestAttributesRoundTrip(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("[2001:db8::1]:65535")
	id := attr.NewID([12]byte{1, 2, 3})
	for _, change := range []attr.ChangeRequest{{}, {IP: true}, {Port: true}, {IP: true, Port: true}} {
		for _, a := range []netip.AddrPort{v4, v6} {
			m := pion.MustBuild(pion.BindingRequest, id, change, attr.ResponsePort(4242), attr.Padding(1499),
				attr.Address{Type: pion.AttrOtherAddress, AddrPort: a}, attr.XORMapped{AddrPort: a}, pion.Fingerprint)
			_, m, err := attr.Decode(m.Raw)
			if err != nil {
				t.Fatal(err)
			}
			var (
				c     attr.ChangeRequest
				port  attr.ResponsePort
				pad   attr.Padding
				other = attr.Address{Type: pion.AttrOtherAddress}
				x     attr.XORMapped
			)
			if err := m.Parse(&c, &port, &pad, &other, &x); err != nil {
				t.Fatal(err)
			}
			if c != change || port != 4242 || pad != 1500 || other.AddrPort != a || x.AddrPort != a {
				t.Errorf("got %+v %v %v %v %v", c, port, pad, other, x)
			}
			// pion reads the same.
			var px pion.XORMappedAddress
			var po pion.OtherAddress
			if err := m.Parse(&px, &po); err != nil || px.String() != a.String() || po.String() != a.String() {
				t.Errorf("pion reads %v %v, %v", px, po, err)
			}
			if err := attr.CheckFingerprint(m); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestWireFormat(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  pion.Setter
		want string
	}{
		{"CHANGE-REQUEST", attr.ChangeRequest{IP: true, Port: true}, "0003000400000006"},
		{"RESPONSE-PORT", attr.ResponsePort(0x1234), "0027000412340000"},
		{"PADDING", attr.Padding(3), "0026000400000000"},
		{"RESPONSE-ORIGIN", attr.Address{Type: pion.AttrResponseOrigin, AddrPort: netip.MustParseAddrPort("1.2.3.4:5")}, "802b00080001000501020304"},
		{"OTHER-ADDRESS", attr.Address{Type: pion.AttrOtherAddress, AddrPort: netip.MustParseAddrPort("[::ffff:1.2.3.4]:5")}, "802c00080001000501020304"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := pion.MustBuild(pion.BindingRequest, attr.NewID([12]byte{}), tc.set)
			if got := hex.EncodeToString(m.Raw[20:]); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if v := m.Attributes[0]; attr.Name(v.Type) != tc.name {
				t.Errorf("named %s", attr.Name(v.Type))
			}
		})
	}
}

func TestBadValues(t *testing.T) {
	var (
		c    attr.ChangeRequest
		port attr.ResponsePort
		pad  attr.Padding
		x    attr.XORMapped
		a    = attr.Address{Type: pion.AttrMappedAddress}
	)
	for _, tc := range []struct {
		name  string
		t     pion.AttrType
		value string
		get   pion.Getter
		want  error
	}{
		{"CHANGE-REQUEST of 3 bytes", pion.AttrChangeRequest, "000006", &c, attr.ErrValue},
		{"RESPONSE-PORT of 2 bytes is accepted", pion.AttrResponsePort, "1234", &port, nil},
		{"RESPONSE-PORT of 1 byte", pion.AttrResponsePort, "12", &port, attr.ErrValue},
		{"empty PADDING", pion.AttrPadding, "", &pad, nil},
		{"no address", pion.AttrMappedAddress, "00010005", &a, attr.ErrValue},
		{"empty address", pion.AttrMappedAddress, "", &a, attr.ErrValue},
		{"IPv4 address of 3 bytes", pion.AttrMappedAddress, "00010005010203", &a, attr.ErrValue},
		{"IPv4 address of 16 bytes", pion.AttrMappedAddress, "0001000501020304050607080910111213141516", &a, attr.ErrValue},
		{"IPv6 address of 4 bytes", pion.AttrMappedAddress, "0002000501020304", &a, attr.ErrValue},
		{"family 3", pion.AttrMappedAddress, "0003000501020304", &a, attr.ErrValue},
		{"first byte is ignored", pion.AttrMappedAddress, "ff01000501020304", &a, nil},
		{"XOR address of 1 byte", pion.AttrXORMappedAddress, "00", &x, attr.ErrValue},
		{"absent", pion.AttrSoftware, "", &x, attr.ErrNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, _ := hex.DecodeString(tc.value)
			m := pion.MustBuild(pion.BindingRequest, attr.NewID([12]byte{}), pion.RawAttribute{Type: tc.t, Value: v})
			if err := tc.get.GetFrom(m); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
	for name, set := range map[string]pion.Setter{
		"no address":       attr.Address{Type: pion.AttrMappedAddress},
		"no XOR address":   attr.XORMapped{},
		"negative padding": attr.Padding(-1),
		"much padding":     attr.Padding(attr.MaxPadding + 1),
	} {
		if _, err := pion.Build(set); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestUnknown(t *testing.T) {
	m := pion.MustBuild(pion.BindingRequest, attr.NewID([12]byte{}),
		pion.RawAttribute{Type: 0x7777}, pion.RawAttribute{Type: 0x8888}, pion.RawAttribute{Type: 0x0006},
		pion.RawAttribute{Type: 0x0040}, pion.RawAttribute{Type: 0x7777})
	got := attr.Unknown(m, attr.Basic)
	if len(got) != 2 || got[0] != 0x7777 || got[1] != 0x0040 {
		t.Errorf("got %v", got)
	}
	if attr.Name(0x7777) != "0x7777" || attr.Name(0x0006) != "USERNAME" || attr.Name(attr.ReflectedFromType) != "REFLECTED-FROM" {
		t.Error("names")
	}
}

func TestAfterMessageIntegrity(t *testing.T) {
	m := pion.MustBuild(pion.BindingRequest, attr.NewID([12]byte{}), pion.NewShortTermIntegrity("secret"),
		pion.RawAttribute{Type: 0x7777}, pion.Fingerprint)
	_, m, err := attr.Decode(m.Raw)
	if err != nil || m.Contains(0x7777) || attr.CheckFingerprint(m) != nil {
		t.Errorf("%v, %v", m, err)
	}
}

func TestFingerprintMustBeLast(t *testing.T) {
	m := pion.MustBuild(pion.BindingRequest, attr.NewID([12]byte{}), pion.Fingerprint, pion.NewSoftware("x"))
	if err := attr.CheckFingerprint(m); !errors.Is(err, pion.ErrFingerprintMismatch) {
		t.Errorf("got %v", err)
	}
}

func TestFromNet(t *testing.T) {
	for _, tc := range []struct {
		a    net.Addr
		want string
		ok   bool
	}{
		{&net.UDPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, "1.2.3.4:5", true},
		{&net.UDPAddr{IP: net.ParseIP("2001:db8::1"), Port: 5}, "[2001:db8::1]:5", true},
		{&net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, "1.2.3.4:5", true},
		{&net.UDPAddr{Port: 5}, "", false},
		{(*net.UDPAddr)(nil), "", false},
		{&net.UnixAddr{Name: "/run/x"}, "", false},
		{nil, "", false},
	} {
		got, ok := attr.FromNet(tc.a)
		if ok != tc.ok || ok && got.String() != tc.want {
			t.Errorf("%v: got %v %v", tc.a, got, ok)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"request", "response-ipv4", "response-ipv6", "request-long-term"} {
		f.Add(vector(f, name))
	}
	f.Add([]byte{0, 1, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 3, 0, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		h, m, err := attr.Decode(b)
		if !bytes.Equal(b, before) {
			t.Fatal("input changed")
		}
		if err != nil {
			return
		}
		_ = attr.CheckFingerprint(m)
		for _, a := range m.Attributes {
			_ = attr.Name(a.Type)
			_ = (&attr.Address{Type: a.Type}).GetFrom(m)
		}
		_ = m.Parse(new(attr.ChangeRequest), new(attr.ResponsePort), new(attr.Padding), new(attr.XORMapped))
		if !bytes.Equal(m.Raw[:attr.HeaderSize], before[:attr.HeaderSize]) || h.ID.Legacy() == (pion.IsMessage(b)) {
			t.Fatalf("header %x, id %x", m.Raw[:attr.HeaderSize], h.ID)
		}
	})
}
