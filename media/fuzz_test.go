package media

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// idle is a socket that nothing arrives on and that swallows what is sent.
type idle struct{ done chan struct{} }

func newIdle() *idle                                      { return &idle{make(chan struct{})} }
func (c *idle) Close() error                              { close(c.done); return nil }
func (c *idle) LocalAddr() net.Addr                       { return &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 4000} }
func (c *idle) SetDeadline(time.Time) error               { return nil }
func (c *idle) SetReadDeadline(time.Time) error           { return nil }
func (c *idle) SetWriteDeadline(time.Time) error          { return nil }
func (c *idle) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
func (c *idle) ReadFrom([]byte) (int, net.Addr, error) {
	<-c.done
	return 0, nil, net.ErrClosed
}

func fuzzStream(f *testing.F) *Stream {
	s, err := New(Config{RTP: newIdle(), RTCP: newIdle(), Latch: LatchAlways,
		Events: Events{Send: 101, Recv: 101, Accepts: AllDTMF}, OnDTMF: func(DTMF) {},
		OnSTUN: func([]byte, net.Addr, net.PacketConn) {}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	remote := netip.MustParseAddrPort("10.0.0.2:5000")
	if err := s.Start(remote, remote); err != nil {
		f.Fatal(err)
	}
	return s
}

// taken is how many datagrams the counters account for.
func taken(s Stats) uint64 {
	return s.RTPReceived + s.RTPEarly + s.RTPStrictDropped + s.RTPHeld + s.WrongPayload + s.Looped +
		s.Malformed + s.STUN + s.RTCPReceived + s.RTCPEarly + s.RTCPStrictDropped
}

// feed gives one datagram to the RTP socket and one to the RTCP socket.
func feed(t *testing.T, s *Stream, b []byte) {
	before := taken(s.Stats())
	from := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 5000}
	var header rtp.Header
	s.datagram(s.cfg.RTP, true, b, from, &header)
	s.datagram(s.cfg.RTCP, false, b, from, &header)
	if got := taken(s.Stats()) - before; got != 2 {
		t.Errorf("two datagrams %x were counted %d times", b, got)
	}
	s.sendReport()
}

func FuzzRTP(f *testing.F) {
	for _, h := range []rtp.Header{
		{Version: 2},
		{Version: 2, PayloadType: 101, Marker: true},
		{Version: 2, PayloadType: 101, Padding: true, PaddingSize: 2},
		{Version: 2, CSRC: []uint32{1, 2, 3}},
		{Version: 2, Padding: true, PaddingSize: 4},
		{Version: 2, Extension: true, ExtensionProfile: 0xBEDE},
		{Version: 1},
	} {
		b, err := rtp.Packet{Header: h, Payload: []byte{1, 2, 3, 4}}.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add([]byte{0x80})
	s := fuzzStream(f)
	f.Fuzz(func(t *testing.T, b []byte) { feed(t, s, b) })
}

// What was written of an event reads back, and packets of any bytes after one of ours add up.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{5, 10, 1, 64}, uint32(0), false)
	f.Add([]byte{5, 0x8A, 3, 32, 6, 0x8A, 3, 32}, uint32(800), true)
	f.Add([]byte{99, 0xFF, 0xFF, 0xFF}, uint32(0xFFFF), false)
	f.Add([]byte{}, uint32(1<<31), false)
	f.Fuzz(func(t *testing.T, payload []byte, later uint32, marker bool) {
		if !validEvents(payload) {
			return
		}
		var e incomingEvents
		told := 0
		tell := func(bool) { e.open = false; told++ }
		now := time.Unix(0, 0)
		e.take(1, 1000, true, eventReport{event: 5, duration: 160}, now, tell)
		stamp := 1000 + later
		for b := payload; len(b) > 0; b = b[eventSize:] {
			r := readEvent(b)
			var back [eventSize]byte
			if r.put(back[:]); readEvent(back[:]) != r {
				t.Errorf("%x reads back as %x", b[:eventSize], back)
			}
			e.take(1, stamp, marker, r, now, tell)
			stamp += uint32(r.duration)
		}
		if most := 1 + len(payload)/eventSize; told > most || e.open && told == most {
			t.Errorf("%d of %d events told", told, most)
		}
	})
}

func FuzzParseEvents(f *testing.F) {
	for _, s := range []string{"", "0-15", "0-11,16", " 1 , 3-4", "-", "0-", "9-3", "0-999", "0,,1", "0-15 \x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, params string) {
		set, err := ParseEvents(params)
		if err != nil && set != 0 {
			t.Errorf("%q: %v and %v", params, set, err)
		}
	})
}

func FuzzRTCP(f *testing.F) {
	sdes := rtcp.NewCNAMESourceDescription(1, "a@example.org")
	block := rtcp.ReceptionReport{SSRC: 1, TotalLost: 0xFFFFFF, LastSenderReport: 5, Delay: 9}
	for _, packets := range [][]rtcp.Packet{
		{&rtcp.ReceiverReport{SSRC: 1}, sdes},
		{&rtcp.SenderReport{SSRC: 1, NTPTime: 1 << 40, Reports: []rtcp.ReceptionReport{block}}, sdes},
		{&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{block}}, sdes, &rtcp.Goodbye{Sources: []uint32{1}, Reason: "bye"}},
		{&rtcp.ReceiverReport{}, &rtcp.ExtendedReport{}},
		{&rtcp.ReceiverReport{}, &rtcp.ApplicationDefined{Name: "ABCD", Data: []byte{1, 2, 3, 4}}},
	} {
		b, err := rtcp.Marshal(packets)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	s := fuzzStream(f)
	f.Fuzz(func(t *testing.T, b []byte) { feed(t, s, b) })
}

func FuzzSDP(f *testing.F) {
	f.Add("v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:53020 IN IP4 192.0.2.2\r\na=ptime:20\r\na=sendonly\r\n")
	f.Add("v=0\no=- 1 2 IN IP4 192.0.2.1\ns=-\nb=XX:1\nt=0 0\nm=image 9 udptl t38\nm=audio 4000 RTP/AVP 8\nc=IN IP6 2001:db8::1\na=rtcp-mux\n")
	f.Add("")
	f.Add("v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0\r00\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse([]byte(text))
		if err != nil {
			return
		}
		written := Marshal(d)
		back, err := Parse(written)
		if len(d.Codecs) == 0 {
			return // Marshal puts in the default ones
		}
		if err != nil {
			t.Fatalf("%v\n%s\nfrom\n%s", err, written, text)
		}
		for _, x := range []*Description{&d, &back} {
			x.Origin, x.PTime, x.Username = netip.Addr{}, 0, "" // o= may be a name, ptime a long fraction
		}
		same := cmp.Diff(d, back, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
		if same != "" {
			t.Errorf("-first +again\n%s\n%s\nfrom\n%q", same, written, text)
		}
		if a, err := Answer(d, Description{RTP: d.RTP}); err == nil {
			if _, err := Agree(a, d); err != nil {
				t.Errorf("an answer without agreement: %v", err)
			}
		}
	})
}

// FuzzDescription: whatever a program puts into a description, what is written is one,
// and read and written again it is the same.
func FuzzDescription(f *testing.F) {
	f.Add("-", "PCMU", "0-15", "image", "udptl", "t38")
	f.Add("a b\r\nc", "PC/MU\x00", "0\r00", "im\rage", "", " \n")
	f.Add("", "", "", "audio", "RTP/AVP", "0")
	f.Fuzz(func(t *testing.T, username, name, params, media, proto, formats string) {
		d := Description{
			RTP: netip.MustParseAddrPort("192.0.2.1:4000"), Username: username,
			Codecs: []Codec{{PayloadType: 96, Name: name, ClockRate: 8000, Params: params}},
			Others: []MediaLine{{media, proto, formats}},
		}
		written := Marshal(d)
		back, err := Parse(written)
		if err != nil {
			t.Fatalf("%v\n%q", err, written)
		}
		if again := Marshal(back); string(again) != string(written) {
			t.Errorf("written\n%q\nand again\n%q", written, again)
		}
	})
}

func TestIntervalGrowsWithTheSession(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	small := schedule{members: 2, senders: 2, weSent: true, averageSize: guessedSize}
	// RFC 3550 §6.3.1: 100 members of 128 octets at 400 octets a second are 32 s.
	large := schedule{members: 100, senders: 100, weSent: true, averageSize: 128}
	listeners := schedule{members: 100, senders: 1, averageSize: 128}
	for range 1000 {
		if d := small.interval(rng).Seconds(); d < 2.5/compensation || d > 7.5/compensation {
			t.Fatalf("%v s for two", d)
		}
		if d := large.interval(rng).Seconds(); d < 16/compensation || d > 48/compensation {
			t.Fatalf("%v s for a hundred", d)
		}
		want := 99 * 128 / (400 * 0.75)
		if d := listeners.interval(rng).Seconds(); d < want/2/compensation || d > want*1.5/compensation {
			t.Fatalf("%v s for 99 listeners", d)
		}
	}
}

func TestSequenceRules(t *testing.T) {
	var c source
	for _, seq := range []uint16{100, 101} {
		c.packet(1, seq, 0, 0, true)
	}
	c.packet(1, 40000, 0, 0, true) // a jump: not believed yet
	if c.received != 2 || c.highest != 101 {
		t.Errorf("one stray packet: %+v", c)
	}
	c.packet(1, 40001, 0, 0, true) // now it is: the sender restarted
	if c.received != 1 || c.base != 40001 {
		t.Errorf("a restart: %+v", c)
	}
	c.packet(1, 65535, 0, 0, true)
	c.packet(1, 65535, 0, 0, true)
	c.packet(2, 7, 0, 0, true) // another SSRC
	if c.ssrc != 2 || c.base != 7 || c.received != 1 {
		t.Errorf("a new source: %+v", c)
	}
}

func TestJitter(t *testing.T) {
	var c source
	// RFC 3550 A.8 by hand: transit differs by 80 units every other packet.
	estimate := 0.0
	for i := range uint32(200) {
		late := (i % 2) * 80
		c.packet(1, uint16(i), i*160, i*160+late, true)
		if i > 0 {
			estimate += (80 - estimate) / 16
		}
	}
	if got := float64(c.jitter >> 4); got < estimate-2 || got > estimate+2 {
		t.Errorf("jitter %v units, want about %.1f", got, estimate)
	}
	var steady source
	for i := range uint32(100) {
		steady.packet(1, uint16(i), i*160, 12345+i*160, true)
	}
	if steady.jitter != 0 {
		t.Errorf("a steady stream has jitter %d", steady.jitter)
	}
}

func BenchmarkSend(b *testing.B) {
	s := benchStream(b)
	now := s.start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(s.cfg.PTime)
		packet, to := s.nextRTP(now)
		s.write(s.cfg.RTP, packet, to)
	}
}

func BenchmarkReceive(b *testing.B) {
	s := benchStream(b)
	packet, err := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 1}, Payload: make([]byte, 160)}.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	from := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2).To4(), Port: 5000}
	var header rtp.Header
	b.ReportAllocs()
	for b.Loop() {
		s.datagram(s.cfg.RTP, true, packet, from, &header)
	}
}

func benchStream(b *testing.B) *Stream {
	s, err := New(Config{RTP: newIdle()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := s.Start(netip.MustParseAddrPort("10.0.0.2:5000"), netip.AddrPort{}); err != nil {
		b.Fatal(err)
	}
	return s
}
