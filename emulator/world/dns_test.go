package world_test

import (
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/natproof/natproof/emulator/world"
)

func query(name string, kind dnsmessage.Type) []byte {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

func TestDNS(t *testing.T) {
	for _, c := range []struct {
		name string
		kind dnsmessage.Type
		code dnsmessage.RCode
		n    int
	}{
		{"stun.example.com.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"STUN.Example.COM.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"example.com.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 1},
		{"stun.example.com.", dnsmessage.TypeAAAA, dnsmessage.RCodeSuccess, 0},
		{"_sip._udp.example.com.", dnsmessage.TypeSRV, dnsmessage.RCodeSuccess, 1},
		{"_sip._udp.example.com.", dnsmessage.TypeA, dnsmessage.RCodeSuccess, 0},
		{"example.com.", 35, dnsmessage.RCodeSuccess, 0}, // NAPTR
		{"nobody.example.com.", dnsmessage.TypeA, dnsmessage.RCodeNameError, 0},
	} {
		var m dnsmessage.Message
		if err := m.Unpack(world.Answer(query(c.name, c.kind))); err != nil || m.RCode != c.code || len(m.Answers) != c.n || m.ID != 7 || !m.Response {
			t.Errorf("%s %v: %+v, %v", c.name, c.kind, m, err)
		}
	}
	for _, b := range [][]byte{nil, {1, 2, 3}, world.Answer(query("example.com.", dnsmessage.TypeA))} {
		if got := world.Answer(b); got != nil {
			t.Errorf("% x is answered by % x", b, got)
		}
	}
	if got := world.Answer(make([]byte, 12)); len(got) < 4 || got[3]&15 != byte(dnsmessage.RCodeFormatError) {
		t.Errorf("no question: % x", got)
	}
}

func FuzzDNS(f *testing.F) {
	f.Add(query("stun.example.com.", dnsmessage.TypeA))
	f.Add(query("_sip._udp.example.com.", dnsmessage.TypeSRV))
	f.Add(query("nobody.", dnsmessage.TypeALL))
	f.Add(make([]byte, 12))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := world.Answer(b)
		if got == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(got); err != nil || !m.Response {
			t.Errorf("%v: % x", err, got)
		}
	})
}
