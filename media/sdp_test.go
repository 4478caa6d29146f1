package media_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/natproof/natproof/media"
)

var cmpAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
var cmpIP = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// sdp joins lines as they go over the wire.
func sdp(lines ...string) []byte { return []byte(strings.Join(lines, "\r\n") + "\r\n") }

const (
	v  = "v=0"
	o  = "o=- 1 2 IN IP4 192.0.2.1"
	s  = "s=-"
	c  = "c=IN IP4 192.0.2.1"
	t0 = "t=0 0"
	m  = "m=audio 4000 RTP/AVP 0"
)

func TestParse(t *testing.T) {
	pcmu := media.Codec{PayloadType: 0, Name: "PCMU", ClockRate: 8000}
	pcma := media.Codec{PayloadType: 8, Name: "PCMA", ClockRate: 8000}
	plain := media.Description{
		RTP: ap("192.0.2.1:4000"), RTCP: ap("192.0.2.1:4001"), Codecs: []media.Codec{pcmu},
		Origin: netip.MustParseAddr("192.0.2.1"), Username: "-", SessionID: 1, SessionVersion: 2,
	}
	with := func(f func(*media.Description)) media.Description {
		d := plain
		f(&d)
		return d
	}
	for _, tc := range []struct {
		name string
		in   []byte
		want media.Description
	}{
		{"plain", sdp(v, o, s, c, t0, m), plain},
		{"line feeds alone", []byte(strings.Join([]string{v, o, s, c, t0, m, ""}, "\n")), plain},
		{"c= at the media wins", sdp(v, o, s, "c=IN IP4 198.51.100.9", t0, m, c), plain},
		{"c= at the media only", sdp(v, o, s, t0, m, c), plain},
		{"IPv6", sdp(v, o, s, "c=IN IP6 2001:db8::1", t0, m), with(func(d *media.Description) {
			d.RTP, d.RTCP = ap("[2001:db8::1]:4000"), ap("[2001:db8::1]:4001")
		})},
		{"a=rtcp port", sdp(v, o, s, c, t0, m, "a=rtcp:53020"), with(func(d *media.Description) { d.RTCP = ap("192.0.2.1:53020") })},
		{"a=rtcp port and address", sdp(v, o, s, c, t0, m, "a=rtcp:53020 IN IP4 198.51.100.9"),
			with(func(d *media.Description) { d.RTCP = ap("198.51.100.9:53020") })},
		{"a=rtcp-mux", sdp(v, o, s, c, t0, m, "a=rtcp-mux"), with(func(d *media.Description) { d.Mux = true })},
		{"no port above 65535", sdp(v, o, s, c, t0, "m=audio 65535 RTP/AVP 0"), with(func(d *media.Description) {
			d.RTP, d.RTCP = ap("192.0.2.1:65535"), netip.AddrPort{}
		})},
		{"direction at the session", sdp(v, o, s, c, t0, "a=sendonly", m), with(func(d *media.Description) { d.Direction = media.SendOnly })},
		{"direction at the media wins", sdp(v, o, s, c, t0, "a=sendonly", m, "a=recvonly"), with(func(d *media.Description) { d.Direction = media.RecvOnly })},
		{"inactive", sdp(v, o, s, c, t0, m, "a=inactive"), with(func(d *media.Description) { d.Direction = media.Inactive })},
		{"ptime", sdp(v, o, s, c, t0, m, "a=ptime:30"), with(func(d *media.Description) { d.PTime = 30 * time.Millisecond })},
		{"a fraction of a millisecond", sdp(v, o, s, c, t0, m, "a=ptime:2.5"), with(func(d *media.Description) { d.PTime = 2500 * time.Microsecond })},
		{"codecs in order", sdp(v, o, s, c, t0, "m=audio 4000 RTP/AVP 8 0 101 120 96", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=rtpmap:96 opus/48000/2"),
			with(func(d *media.Description) {
				d.Codecs = []media.Codec{pcma, pcmu,
					{PayloadType: 101, Name: "telephone-event", ClockRate: 8000, Params: "0-16"},
					{PayloadType: 96, Name: "opus", ClockRate: 48000}}
			})},
		{"other lines, unknown bandwidth", sdp(v, o, s, c, "b=X-YZ:1", "b=WHAT:9", t0, "m=image 9 udptl t38", "a=T38FaxVersion:0", m, "b=TIAS:64000", "m=video 5000 RTP/AVP 31 34", c, "m=audio 6000 RTP/AVP 0"),
			with(func(d *media.Description) {
				d.Others = []media.MediaLine{{"image", "udptl", "t38"}, {"video", "RTP/AVP", "31 34"}, {"audio", "RTP/AVP", "0"}}
				d.AudioIndex = 1
			})},
		{"the second audio line is the usable one", sdp(v, o, s, c, t0, "m=audio 6000 RTP/SAVP 0", "m=audio 0 RTP/AVP 0", m),
			with(func(d *media.Description) {
				d.Others = []media.MediaLine{{"audio", "RTP/SAVP", "0"}, {"audio", "RTP/AVP", "0"}}
				d.AudioIndex = 2
			})},
		{"tabs and other alphabets", sdp(v, o, s, c, t0, "a=x:caf\xe9 \x07", m, "a=fmtp:0 caf\xe9\tя"), with(func(d *media.Description) {
			d.Codecs = []media.Codec{{PayloadType: 0, Name: "PCMU", ClockRate: 8000, Params: "caf\xe9\tя"}}
		})},
		{"old-style hold", sdp(v, o, s, "c=IN IP4 0.0.0.0", t0, m), with(func(d *media.Description) {
			d.RTP, d.RTCP = ap("0.0.0.0:4000"), ap("0.0.0.0:4001")
		})},
		{"o= is a name", sdp(v, "o=- 1 2 IN IP4 host.example", s, c, t0, m), with(func(d *media.Description) { d.Origin = netip.Addr{} })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := media.Parse(tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, got, cmpAddr, cmpIP); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, media.ErrNoAudio},
		{"not SDP", []byte("hello"), media.ErrSyntax},
		{"no version", sdp(o, s, c, t0, m), media.ErrSyntax},
		{"version 1", sdp("v=1", o, s, c, t0, m), media.ErrSyntax},
		{"port over 65535", sdp(v, o, s, c, t0, "m=audio 70000 RTP/AVP 0"), media.ErrSyntax},
		{"port is a word", sdp(v, o, s, c, t0, "m=audio xyz RTP/AVP 0"), media.ErrSyntax},
		{"payload type is a word", sdp(v, o, s, c, t0, "m=audio 4000 RTP/AVP x"), media.ErrSyntax},
		{"payload type over 127", sdp(v, o, s, c, t0, "m=audio 4000 RTP/AVP 128"), media.ErrSyntax},
		{"a name of two words", sdp(v, o, s, c, t0, m, "a=rtpmap:0 PC MU/8000"), media.ErrSyntax},
		{"a bare CR in a value that is kept", sdp(v, o, s, c, t0, m, "a=fmtp:0 0\r00"), media.ErrSyntax},
		{"a bare CR in a value that is not", sdp(v, o, s, c, t0, m, "a=x:0\r00"), media.ErrSyntax},
		{"a line hidden behind a bare CR", sdp(v, o, s, c, t0, m, "a=x\ra=sendonly"), media.ErrSyntax},
		{"two CRs", sdp(v, o, s, c, t0, m+"\r"), media.ErrSyntax},
		{"a last CR", append(sdp(v, o, s, c, t0, m), '\r'), media.ErrSyntax},
		{"NUL", sdp(v, o, "s=\x00", c, t0, m), media.ErrSyntax},
		{"an escape sequence", sdp(v, o, s, c, t0, m, "a=fmtp:0 \x1b[2J"), media.ErrControl},
		{"DEL in o=", sdp(v, "o=a\x7fb 1 2 IN IP4 192.0.2.1", s, c, t0, m), media.ErrControl},
		{"a control character in another m= line", sdp(v, o, s, c, t0, m, "m=image 9 udp\x01tl t38"), media.ErrControl},
		{"rtpmap without a rate", sdp(v, o, s, c, t0, m, "a=rtpmap:0 PCMU"), media.ErrSyntax},
		{"ptime is a word", sdp(v, o, s, c, t0, m, "a=ptime:soon"), media.ErrSyntax},
		{"ptime is not a number", sdp(v, o, s, c, t0, m, "a=ptime:NaN"), media.ErrSyntax},
		{"ptime 0", sdp(v, o, s, c, t0, m, "a=ptime:0"), media.ErrSyntax},
		{"the seed's malformed c=", sdp(v, o, s, "C=IN IP 5.6.7.8:5678", t0, m), media.ErrSyntax},
		{"no media", sdp(v, o, s, c, t0), media.ErrNoAudio},
		{"video only", sdp(v, o, s, c, t0, "m=video 4000 RTP/AVP 31"), media.ErrNoAudio},
		{"port 0", sdp(v, o, s, c, t0, "m=audio 0 RTP/AVP 0"), media.ErrNoAudio},
		{"port 00", sdp(v, o, s, c, t0, "m=audio 00 RTP/AVP 0"), media.ErrNoAudio},
		{"encrypted only", sdp(v, o, s, c, t0, "m=audio 4000 RTP/SAVP 0"), media.ErrNoAudio},
		{"no c=", sdp(v, o, s, t0, m), media.ErrNoConnection},
		{"c= of another line", sdp(v, o, s, t0, m, "m=video 5000 RTP/AVP 31", c), media.ErrNoConnection},
		{"a name", sdp(v, o, s, "c=IN IP4 host.example", t0, m), media.ErrBadAddress},
		{"multicast", sdp(v, o, s, "c=IN IP4 224.2.1.1", t0, m), media.ErrBadAddress},
		{"multicast with TTL", sdp(v, o, s, "c=IN IP4 224.2.1.1/127", t0, m), media.ErrBadAddress},
		{"family", sdp(v, o, s, "c=IN IP6 192.0.2.1", t0, m), media.ErrBadAddress},
		{"address with port", sdp(v, o, s, "c=IN IP4 5.6.7.8:5678", t0, m), media.ErrBadAddress},
		{"rtcp port is a word", sdp(v, o, s, c, t0, m, "a=rtcp:x"), media.ErrBadAddress},
		{"rtcp port 0", sdp(v, o, s, c, t0, m, "a=rtcp:0"), media.ErrBadAddress},
		{"rtcp half an address", sdp(v, o, s, c, t0, m, "a=rtcp:1 IN IP4"), media.ErrBadAddress},
		{"rtcp on another net", sdp(v, o, s, c, t0, m, "a=rtcp:1 ATM NSAP 47.00"), media.ErrBadAddress},
		{"rtcp at a name", sdp(v, o, s, c, t0, m, "a=rtcp:1 IN IP4 host.example"), media.ErrBadAddress},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := media.Parse(tc.in); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestMarshal(t *testing.T) {
	got := string(media.Marshal(media.Description{
		RTP: ap("192.0.2.1:4000"), RTCP: ap("192.0.2.1:61000"), SessionID: 7, SessionVersion: 8,
		Direction: media.SendOnly, PTime: 20 * time.Millisecond, Mux: true,
		Others: []media.MediaLine{{"image", "udptl", "t38"}, {"video", "RTP/AVP", "31 34"}}, AudioIndex: 1,
	}))
	want := string(sdp(v, "o=- 7 8 IN IP4 192.0.2.1", s, c, t0,
		"m=image 0 udptl t38",
		"m=audio 4000 RTP/AVP 0 8 101",
		"a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15",
		"a=ptime:20", "a=rtcp:61000", "a=rtcp-mux", "a=sendonly",
		"m=video 0 RTP/AVP 31 34"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// What a line cannot carry is not written, and so never becomes another line.
func TestMarshalWritesNoControlCharacters(t *testing.T) {
	got := string(media.Marshal(media.Description{
		RTP: ap("192.0.2.1:4000"), Username: "a b\r\nc",
		Codecs: []media.Codec{
			{Name: "PC\x00MU \n", ClockRate: 8000, Params: " 0-15\r\na=inactive\r\n"},
			{PayloadType: 8, Name: "PCMA", ClockRate: 8000, Params: "\r\n"},
		},
		Others: []media.MediaLine{{"im\rage", "udp tl", "t38 \n x"}},
	}))
	want := string(sdp(v, "o=abc 0 0 IN IP4 192.0.2.1", s, c, t0,
		"m=audio 4000 RTP/AVP 0 8", "a=rtpmap:0 PCMU/8000", "a=fmtp:0 0-15a=inactive", "a=rtpmap:8 PCMA/8000", "a=sendrecv",
		"m=image 0 udptl t38 x"))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestMarshalRTCP(t *testing.T) {
	for _, tc := range []struct{ rtp, rtcp, want string }{
		{"192.0.2.1:4000", "192.0.2.1:4001", ""},
		{"192.0.2.1:4000", "192.0.2.1:4003", "a=rtcp:4003\r\n"},
		{"192.0.2.1:4000", "192.0.2.2:4001", "a=rtcp:4001 IN IP4 192.0.2.2\r\n"},
		{"192.0.2.1:4000", "[2001:db8::1]:4001", "a=rtcp:4001 IN IP6 2001:db8::1\r\n"},
	} {
		d := media.Description{RTP: ap(tc.rtp), RTCP: ap(tc.rtcp)}
		got := string(media.Marshal(d))
		if tc.want == "" && strings.Contains(got, "a=rtcp:") || !strings.Contains(got, tc.want) {
			t.Errorf("%s %s: %s", tc.rtp, tc.rtcp, got)
		}
		back, err := media.Parse([]byte(got))
		if err != nil || back.RTP != d.RTP || back.RTCP != d.RTCP {
			t.Errorf("%s %s came back as %v %v, %v", tc.rtp, tc.rtcp, back.RTP, back.RTCP, err)
		}
	}
	named := media.Description{RTP: ap("192.0.2.1:4000"), RTCP: ap("192.0.2.1:4001"), NameRTCP: true}
	if b := string(media.Marshal(named)); !strings.Contains(b, "a=rtcp:4001 IN IP4 192.0.2.1\r\n") {
		t.Errorf("NameRTCP: %s", b)
	}
	if b := media.Marshal(media.Description{}); !strings.Contains(string(b), "c=IN IP4 0.0.0.0") {
		t.Errorf("the zero description: %s", b)
	}
}

func TestAnswer(t *testing.T) {
	offer := func(lines ...string) media.Description {
		d, err := media.Parse(sdp(append([]string{v, o, s, c, t0}, lines...)...))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	local := media.Description{RTP: ap("198.51.100.1:7000"), SessionID: 5}

	t.Run("the offer's order and numbers", func(t *testing.T) {
		a, err := media.Answer(offer("m=audio 4000 RTP/AVP 9 97 8 0", "a=rtpmap:97 telephone-event/8000"), local)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint8
		for _, c := range a.Codecs {
			got = append(got, c.PayloadType)
		}
		if d := cmp.Diff([]uint8{97, 8, 0}, got); d != "" {
			t.Error(d)
		}
		if c, _ := a.Codec(); c.PayloadType != media.PCMA {
			t.Errorf("talks %v", c)
		}
	})
	t.Run("direction", func(t *testing.T) {
		for _, tc := range []struct{ offered, wanted, want media.Direction }{
			{media.SendRecv, media.SendRecv, media.SendRecv},
			{media.SendOnly, media.SendRecv, media.RecvOnly},
			{media.RecvOnly, media.SendRecv, media.SendOnly},
			{media.Inactive, media.SendRecv, media.Inactive},
			{media.SendRecv, media.SendOnly, media.SendOnly},
			{media.SendOnly, media.SendOnly, media.Inactive},
			{media.RecvOnly, media.RecvOnly, media.Inactive},
			{media.SendRecv, media.Inactive, media.Inactive},
		} {
			mine := local
			mine.Direction = tc.wanted
			a, err := media.Answer(offer(m, "a="+tc.offered.String()), mine)
			if err != nil || a.Direction != tc.want {
				t.Errorf("%v to %v: %v, %v", tc.wanted, tc.offered, a.Direction, err)
			}
		}
	})
	t.Run("rejects what it does not take", func(t *testing.T) {
		a, err := media.Answer(offer("m=video 5000 RTP/AVP 31", m, "m=audio 6000 RTP/AVP 0"), local)
		if err != nil {
			t.Fatal(err)
		}
		got := string(media.Marshal(a))
		for _, want := range []string{"m=video 0 RTP/AVP 31\r\nm=audio 7000 RTP/AVP 0\r\n", "m=audio 0 RTP/AVP 0\r\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
	})
	t.Run("mux only if both", func(t *testing.T) {
		for _, tc := range []struct{ offered, taken bool }{{true, true}, {true, false}, {false, true}, {false, false}} {
			lines := []string{m}
			if tc.offered {
				lines = append(lines, "a=rtcp-mux")
			}
			mine := local
			mine.Mux = tc.taken
			theirs := offer(lines...)
			a, err := media.Answer(theirs, mine)
			if err != nil || a.Mux != (tc.offered && tc.taken) {
				t.Errorf("%+v: %v %v", tc, a.Mux, err)
			}
			agreed, err := media.Agree(a, theirs)
			if err != nil || agreed.Mux != a.Mux || (agreed.RTCP == agreed.RTP) != a.Mux {
				t.Errorf("%+v: %+v %v", tc, agreed, err)
			}
		}
	})
	t.Run("no common codec", func(t *testing.T) {
		for _, line := range []string{"m=audio 4000 RTP/AVP 9 18", "m=audio 4000 RTP/AVP 101", "m=audio 4000 RTP/AVP 99"} {
			if _, err := media.Answer(offer(line, "a=rtpmap:101 telephone-event/8000"), local); !errors.Is(err, media.ErrNoCommonCodec) {
				t.Errorf("%s: %v", line, err)
			}
			if _, err := media.Agree(local, offer(line)); !errors.Is(err, media.ErrNoCommonCodec) {
				t.Errorf("%s: %v", line, err)
			}
		}
	})
}

func TestAgree(t *testing.T) {
	local := media.Description{RTP: ap("198.51.100.1:7000")}
	for _, tc := range []struct {
		name       string
		local      media.Direction
		lines      []string
		send, recv bool
	}{
		{"both", media.SendRecv, []string{c, t0, m}, true, true},
		{"they hold", media.SendRecv, []string{c, t0, m, "a=sendonly"}, false, true},
		{"they hold and are silent", media.SendRecv, []string{c, t0, m, "a=inactive"}, false, false},
		{"they only listen", media.SendRecv, []string{c, t0, m, "a=recvonly"}, true, false},
		{"we hold", media.SendOnly, []string{c, t0, m, "a=recvonly"}, true, false},
		{"old-style hold", media.SendRecv, []string{"c=IN IP4 0.0.0.0", t0, m}, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			remote, err := media.Parse(sdp(append([]string{v, o, s}, tc.lines...)...))
			if err != nil {
				t.Fatal(err)
			}
			mine := local
			mine.Direction = tc.local
			a, err := media.Agree(mine, remote)
			if err != nil || a.Send != tc.send || a.Recv != tc.recv || a.PTime != 20*time.Millisecond || a.Codec.Name != "PCMU" {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}
