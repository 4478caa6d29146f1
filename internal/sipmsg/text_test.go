package sipmsg

import (
	"net/netip"
	"slices"
	"testing"
)

func TestKindOf(t *testing.T) {
	x := func(n int) string { return string(make([]byte, n)) }
	for _, c := range []struct {
		b    string
		want Kind
	}{
		{"", Empty}, {"\r\n", Keepalive}, {"\r\n\r\n", Keepalive}, {"\n", Keepalive}, {x(1), Keepalive}, {x(4), Keepalive},
		{x(5), Other}, {x(40), Other}, {"\x00\x01\x00\x00\x21\x12\xa4\x42" + x(12), STUN},
		{"\x01\x01\xff\xff\x21\x12\xa4\x42" + x(12), STUN}, {"\x00\x01\x00\x00" + x(16), ClassicSTUN},
		{"\x00\x01\x00\x04" + x(16), Other}, {"\x00\x01\x00\x00\x21\x12\xa4\x42" + x(11), Other},
		{"\x16\xfe\xff" + x(10), DTLS}, {"\x80\x00" + x(10), RTP}, {"\x80\xc8" + x(6), RTCP}, {"\x80\x80" + x(6), RTP}, {"\x80\xc8" + x(5), Other},
		{"OPTIONS sip:a@b SIP/2.0\r\n", Other}, {"\r\nOPTIONS sip:a@b SIP/2.0\r\n", Other}, {"x", Other},
	} {
		if got := KindOf([]byte(c.b)); got != c.want {
			t.Errorf("KindOf(%q) = %d, want %d", c.b, got, c.want)
		}
	}
}

func TestParseStartLine(t *testing.T) {
	for _, c := range []struct {
		line string
		want StartLine
		ok   bool
	}{
		{"INVITE sip:a@b SIP/2.0", StartLine{Method: "INVITE", URI: "sip:a@b", Version: "SIP/2.0"}, true},
		{"Foo tel:+1 sip/7.10", StartLine{Method: "Foo", URI: "tel:+1", Version: "sip/7.10"}, true},
		{"SIP/2.0 200 OK", StartLine{Status: 200, Reason: "OK", Version: "SIP/2.0"}, true},
		{"sip/2.0 480 Not now, later", StartLine{Status: 480, Reason: "Not now, later", Version: "sip/2.0"}, true},
		{"SIP/2.0 100 ", StartLine{Status: 100, Version: "SIP/2.0"}, true},
		{"SIP/2.0 100", StartLine{}, false}, {"SIP/2.0 99 x", StartLine{}, false}, {"SIP/2.0 700 x", StartLine{}, false},
		{"SIP/2.0 4294967301 better not", StartLine{}, false}, {"INVITE  sip:a@b SIP/2.0", StartLine{}, false},
		{"INVITE sip:a@b SIP/2.0 ", StartLine{}, false}, {"INVITE sip:a@b; lr SIP/2.0", StartLine{}, false},
		{"INVITE sip:a@b HTTP/1.1", StartLine{}, false}, {"IN@VITE sip:a@b SIP/2.0", StartLine{}, false},
		{"INVITE sip:a@b SIP/2", StartLine{}, false}, {"", StartLine{}, false}, {"  ", StartLine{}, false},
		{"a\rb sip:a SIP/2.0", StartLine{}, false},
	} {
		if got, ok := ParseStartLine(c.line); ok != c.ok || got != c.want {
			t.Errorf("%q: %+v, %v", c.line, got, ok)
		}
	}
}

func TestURIs(t *testing.T) {
	for s, want := range map[string]string{ // the address, "-" if there is none, "" if it is no URI
		"sip:a@192.0.2.1": "192.0.2.1:5060", "sip:192.0.2.1:70": "192.0.2.1:70", "sip:a@[2001:db8::1]:9;x": "[2001:db8::1]:9",
		"sip:a@b;maddr=192.0.2.3": "192.0.2.3:5060", "sip:a@192.0.2.1;transport=tcp": "-", "sip:a@192.0.2.1;transport=UDP": "192.0.2.1:5060",
		"sips:a@192.0.2.1": "-", "tel:+15551234": "-", "soap.beep://192.0.2.103:3002": "-", "sip:a@0.0.0.0": "-", "sip:a@224.0.0.1": "-",
		"sip:a@example_1.com": "-", "": "", "sip:": "", "sip:a@": "", "*": "", ":x": "", "1sip:a": "", "sip:a@b:99999": "", "sip:a@b:x": "",
		"sip:a@b c": "", "<sip:a@b>": "", "sip:a@b@c": "", "sip:a@[::1": "", "sip:a@[x]": "",
	} {
		u, ok := ParseURI(s)
		got := ""
		if ok {
			got = "-"
			if a := Resolve(&u); a.IsValid() {
				got = a.String()
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q (%+v)", s, got, want, u)
		}
		if ok && !IsSIP(&u) && u.String() != s { // a dialog repeats it (RFC 3261 §12.2.1.1)
			t.Errorf("%q is written %q", s, u.String())
		}
	}
}

func TestEqualURI(t *testing.T) {
	// RFC 3261 §19.1.4 gives these as examples.
	for _, c := range []struct {
		a, b  string
		equal bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
	} {
		if EqualURI(c.a, c.b) != c.equal || EqualURI(c.b, c.a) != c.equal {
			t.Errorf("EqualURI(%q, %q) is not %v", c.a, c.b, c.equal)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct{ s, name, uri, tag string }{
		{`"A, <b>" <sip:a@b;x>;q=1;tag=t`, "A, <b>", "sip:a@b;x", "t"},
		{"sip:a@b;tag=1", "", "sip:a@b", "1"},
		{"  Bob Q  <sip:a@b> ; Tag = x y", "Bob Q", "sip:a@b", "x y"},
		{"<sip:a@b>\t;\ttag\t=\tx", "", "sip:a@b", "x"},
		{"<tel:+1>", "", "tel:+1", ""},
		{"<sip:a@b", "", "", ""}, {"", "", "", ""}, {"*", "", "", ""}, {`"q" sip:a@b`, "", "", ""}, {"sip:a@b?x=y", "", "", ""},
	} {
		a, ok := ParseAddress(c.s)
		uri := ""
		if ok {
			uri = a.URI.String()
		}
		if uri != c.uri || a.Name != c.name || ok && TagOf(c.s) != c.tag {
			t.Errorf("%q: %q %q %q", c.s, a.Name, uri, TagOf(c.s))
		}
	}
	if got := SplitList(nil, ` a ,,"x,y" <sip:a,b>,`); !slices.Equal(got, []string{"a", `"x,y" <sip:a,b>`}) {
		t.Errorf("%q", got)
	}
	if got := SplitList(nil, " , "); got != nil {
		t.Errorf("%q", got)
	}
}

func TestVia(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.9:1024")
	for _, c := range []struct {
		via, stamped, to string
		ignoreRport      bool
	}{
		{"SIP/2.0/UDP 192.0.2.9;branch=z", "SIP/2.0/UDP 192.0.2.9;branch=z", "192.0.2.9:5060", false},
		{"SIP/2.0/UDP 10.0.0.1:7;branch=z", "SIP/2.0/UDP 10.0.0.1:7;branch=z;received=192.0.2.9", "192.0.2.9:7", false},
		{"SIP/2.0/UDP 192.0.2.9:7;rport;branch=z", "SIP/2.0/UDP 192.0.2.9:7;rport=1024;branch=z;received=192.0.2.9", "192.0.2.9:1024", false},
		{"SIP/2.0/UDP 192.0.2.9:7; RPort = 5 ;branch=z", "SIP/2.0/UDP 192.0.2.9:7;rport=1024;branch=z;received=192.0.2.9", "192.0.2.9:1024", false},
		{"SIP/2.0/UDP 10.0.0.1;rport", "SIP/2.0/UDP 10.0.0.1;rport;received=192.0.2.9", "192.0.2.9:5060", true},
		{"SIP / 2.0 / UDP\t host : 9 ;received=1.2.3.4", "SIP / 2.0 / UDP host : 9;received=192.0.2.9", "192.0.2.9:9", false},
		{"SIP/2.0/UDP [2001:db8::1]:9", "SIP/2.0/UDP [2001:db8::1]:9;received=192.0.2.9", "192.0.2.9:9", false},
		{"SIP/2.0/UDP h;maddr=192.0.2.77", "SIP/2.0/UDP h;maddr=192.0.2.77;received=192.0.2.9", "192.0.2.9:5060", false},
	} {
		v, ok := ParseVia(c.via)
		if !ok {
			t.Errorf("%q", c.via)
			continue
		}
		stamped, to, _ := v.Stamp(from, c.ignoreRport)
		if stamped != c.stamped || to.String() != c.to {
			t.Errorf("%q\n got %q to %v\nwant %q to %v", c.via, stamped, to, c.stamped, c.to)
		}
		again, _ := ParseVia(stamped)
		if seen := again.Seen(); seen.IsValid() != (to == from) {
			t.Errorf("%q was seen at %v", stamped, seen)
		}
	}
	for _, bad := range []string{"", "SIP/2.0/UDP", "SIP/2.0/UDP ", "SIP/2.0 h", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:x", "SIP/2.0/UDP a b", "SIP/2.0/UDP ;branch=z"} {
		if _, ok := ParseVia(bad); ok {
			t.Errorf("%q", bad)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string]CSeq{
		"1 INVITE": {1, "INVITE"}, "\t07   Foo ": {7, "Foo"}, "2147483647 A": {2147483647, "A"}, "2147483648 A": {},
		"1": {}, "INVITE": {}, "-1 A": {}, "+1 A": {}, "1 A B": {}, "1 A;b": {}, "": {},
	} {
		if got, ok := ParseCSeq(s); got != want || ok != (want != CSeq{}) {
			t.Errorf("%q: %v", s, got)
		}
	}
	for s, want := range map[string]uint32{"120": 120, "5;x=y": 5, "7 (busy)": 7, "18000;duration=3600": 18000, "": 0, "-1": 0, "x": 0, "4294967296": 0} {
		if got, _ := DeltaSeconds(s); got != want {
			t.Errorf("%q: %d", s, got)
		}
	}
}
