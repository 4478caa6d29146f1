package gateway_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/memnet"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/servers/gateway"
)

// sipgoPhone is a caller on sipgo's own dialog client: another
// implementation's idea of a caller.
type sipgoPhone struct {
	t      *testing.T
	dialog *sipgo.DialogClientCache
	served chan struct{}
	conn   net.PacketConn
	ua     *sipgo.UserAgent
	byes   chan struct{}
}

func newSipgoPhone(t *testing.T, conn net.PacketConn) *sipgoPhone {
	t.Helper()
	local := conn.LocalAddr().(*net.UDPAddr)
	ua, err := sipgo.NewUA(sipgo.WithUserAgent("caller"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := sipgo.NewClient(ua, sipgo.WithClientConnectionAddr(local.String()), sipgo.WithClientAddr(local.String()))
	if err != nil {
		t.Fatal(err)
	}
	server, err := sipgo.NewServer(ua)
	if err != nil {
		t.Fatal(err)
	}
	p := &sipgoPhone{t: t, conn: conn, ua: ua, served: make(chan struct{}), byes: make(chan struct{}, 1)}
	p.dialog = sipgo.NewDialogClientCache(client, sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "caller", Host: local.IP.String(), Port: local.Port}})
	server.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := p.dialog.ReadBye(req, tx); err != nil {
			t.Errorf("BYE: %v", err)
		}
		p.byes <- struct{}{}
	})
	go func() {
		server.ServeUDP(conn)
		close(p.served)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-p.served
		ua.Close()
	})
	return p
}

func (p *sipgoPhone) call(to netip.AddrPort, offer media.Description) (*sipgo.DialogClientSession, media.Description) {
	p.t.Helper()
	ctx := context.Background()
	uri := sip.Uri{Scheme: "sip", User: "1234567", Host: to.Addr().String(), Port: int(to.Port()), UriParams: sip.HeaderParams{{K: "user", V: "phone"}}}
	d, err := p.dialog.Invite(ctx, uri, media.Marshal(offer), sip.NewHeader("Content-Type", "application/sdp"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := d.WaitAnswer(ctx, sipgo.AnswerOptions{}); err != nil {
		p.t.Fatal(err)
	}
	if err := d.Ack(ctx); err != nil {
		p.t.Fatal(err)
	}
	answer, err := media.Parse(d.InviteResponse.Body())
	if err != nil {
		p.t.Fatal(err)
	}
	return d, answer
}

func TestAForeignCallerInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New()
		n.Latency = time.Millisecond
		s := start(t, n, gateway.Config{RingTime: 2 * time.Second})
		p := newSipgoPhone(t, n.Listen(phoneAt))
		synctest.Wait() // sipgo's client finds its socket only once the server reads it
		d, answer := p.call(ap(gwSIP), media.Description{RTP: ap(phoneRTP)})
		stream := voice(t, n, phoneRTP, answer)
		time.Sleep(990 * time.Millisecond)
		before := stream.Stats()
		time.Sleep(time.Second)
		if got := stream.Stats().Sub(before).RTPReceived; got != 50 {
			t.Errorf("%d packets in a second", got)
		}
		if err := d.Bye(context.Background()); err != nil {
			t.Error(err)
		}
		if c := only(t, s); c.Cause != gateway.CallerHungUp || c.Retransmissions != 0 {
			t.Errorf("%+v", c)
		}
	})
}

// On real sockets nothing is timed: each step waits for what it needs, and go
// test's own time limit is the only one.
func TestLoopback(t *testing.T) {
	conn := loopback(t)
	s, err := gateway.New(conn, gateway.Config{Latch: media.LatchAlways, PTime: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()

	phoneConn := loopback(t)
	rtp := loopback(t)
	offer := media.Description{RTP: rtp.LocalAddr().(*net.UDPAddr).AddrPort(), Mux: true, PTime: 2 * time.Millisecond}
	stream, err := media.New(media.Config{RTP: rtp, PTime: offer.PTime})
	if err != nil {
		t.Fatal(err)
	}
	p := newSipgoPhone(t, ready(phoneConn))
	<-p.conn.(*readyConn).reading
	_, answer := p.call(s.LocalAddr(), offer)
	if err := stream.Start(answer.RTP, netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	for c := only(t, s); c.State != gateway.Talking || c.Media.RTPReceived < 20 || stream.Stats().RTPReceived < 20; c = only(t, s) {
		time.Sleep(time.Millisecond)
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	<-p.byes
	if err := <-served; err != nil {
		t.Error(err)
	}
	if c := only(t, s); c.Cause != gateway.GatewayHungUp {
		t.Errorf("%+v", c)
	}
	stream.Close()
}

func loopback(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// readyConn tells when it is first read.
type readyConn struct {
	net.PacketConn
	reading chan struct{}
	told    bool
}

func ready(c net.PacketConn) *readyConn {
	return &readyConn{PacketConn: c, reading: make(chan struct{})}
}

func (c *readyConn) ReadFrom(b []byte) (int, net.Addr, error) {
	if !c.told {
		c.told = true
		close(c.reading)
	}
	return c.PacketConn.ReadFrom(b)
}
