package diago

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/emiago/diago"
	"github.com/emiago/diago/media"
	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/vnet"
)

func TestMain(m *testing.M) {
	quiet := slog.New(slog.DiscardHandler)
	sip.SetDefaultLogger(quiet)
	media.SetDefaultLogger(quiet)
	os.Exit(m.Run())
}

// phone is a user agent on diago whose sockets are those of a host.
//
// diago opens sockets of the operating system in two places. For SIP it does so in Serve,
// which is not called: diago.WithServer and WithClient take a sipgo server and client, and
// that server reads the socket it is given. For media it does so in Invite and Answer,
// which are not called either: their steps are public, and MediaSession.InitWithListeners
// takes any net.PacketConn.
type phone struct {
	t      *testing.T
	host   *vnet.Host
	conn   net.PacketConn
	ua     *sipgo.UserAgent
	diago  *diago.Diago
	served chan struct{}
}

const (
	sipPort = 5060
	rtpPort = 4000
)

// newPhone starts a phone; answer handles the calls that come to it.
func newPhone(t *testing.T, host *vnet.Host, answer func(*phone, *diago.DialogServerSession)) *phone {
	t.Helper()
	at := netip.AddrPortFrom(host.Addr(), sipPort)
	p := &phone{t: t, host: host, conn: must(host.Listen(at))(t), served: make(chan struct{})}
	p.ua = must(sipgo.NewUA(sipgo.WithUserAgent("diago")))(t)
	server := must(sipgo.NewServer(p.ua))(t)
	client := must(sipgo.NewClient(p.ua, sipgo.WithClientNAT(), sipgo.WithClientAddr(at.String()), sipgo.WithClientConnectionAddr(at.String())))(t)
	p.diago = diago.NewDiago(p.ua, diago.WithServer(server), diago.WithClient(client), diago.WithTransport(diago.Transport{
		Transport: "udp", BindHost: at.Addr().String(), BindPort: int(at.Port()),
	}))
	p.diago.HandleFunc(func(d *diago.DialogServerSession) { answer(p, d) })
	go func() {
		_ = server.ServeUDP(p.conn)
		close(p.served)
	}()
	for p.ua.TransportLayer().Pool("udp").Size() == 0 { // not before can it send
		time.Sleep(time.Millisecond)
	}
	return p
}

func (p *phone) close() {
	_ = p.conn.Close()
	<-p.served
	_ = p.ua.Close()
}

// session is media on the host's sockets.
func (p *phone) session() *media.MediaSession {
	p.t.Helper()
	at := netip.AddrPortFrom(p.host.Addr(), rtpPort)
	s := &media.MediaSession{Codecs: []media.Codec{media.CodecAudioUlaw}}
	s.InitWithListeners(must(p.host.Listen(at))(p.t), must(p.host.Listen(netip.AddrPortFrom(at.Addr(), at.Port()+1)))(p.t), &net.UDPAddr{})
	s.Laddr = *net.UDPAddrFromAddrPort(at) // InitWithListeners takes RTCP's
	return s
}

// call is diago's Invite and Ack with media of our own.
func (p *phone) call(ctx context.Context, to string) (*diago.DialogClientSession, *diago.DialogMedia, error) {
	var uri sip.Uri
	if err := sip.ParseUri(to, &uri); err != nil {
		return nil, nil, err
	}
	d, err := p.diago.NewDialog(uri, diago.NewDialogOptions{})
	if err != nil {
		return nil, nil, err
	}
	s := p.session()
	m := &diago.DialogMedia{}
	m.InitMediaSession(s, nil, nil)
	d.InviteRequest.AppendHeader(&d.UA.ContactHDR)
	d.InviteRequest.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	d.InviteRequest.SetBody(s.LocalSDP(false))
	if err := d.DialogClientSession.Invite(ctx); err != nil {
		return d, m, err
	}
	if err := d.WaitAnswer(ctx, m, sipgo.AnswerOptions{}); err != nil {
		return d, m, err
	}
	return d, m, d.Ack(ctx)
}

// answer is diago's Answer with media of our own. It returns when the ACK has come.
func (p *phone) answer(d *diago.DialogServerSession) (*diago.DialogMedia, error) {
	s := p.session()
	if err := s.RemoteSDP(d.InviteRequest.Body(), false); err != nil {
		return nil, err
	}
	rtp := media.NewRTPSession(s)
	m := &diago.DialogMedia{}
	m.InitMediaSession(s, media.NewRTPPacketReaderSession(rtp), media.NewRTPPacketWriterSession(rtp))
	m.OnClose(rtp.MonitorClose)
	if err := d.AnswerEarlyMedia(m, diago.AnswerOptions{}); err != nil {
		return m, err
	}
	return m, rtp.MonitorBackground()
}

// talk sends a second of audio and says how many packets were heard meanwhile.
func talk(m *diago.DialogMedia) (heard int, err error) {
	w, err := m.AudioWriter()
	if err != nil {
		return 0, err
	}
	r, err := m.AudioReader()
	if err != nil {
		return 0, err
	}
	read := make(chan int)
	go func() {
		n := 0
		for b := make([]byte, media.RTPBufSize); ; n++ {
			if _, err := r.Read(b); err != nil {
				read <- n
				return
			}
		}
	}()
	for range 50 { // the writer waits 20 ms for each
		if _, err := w.Write(slices.Repeat([]byte{0xff}, 160)); err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
	}
	err = m.StopRTP(1, 0)
	return <-read, err
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func uri(user string, h *vnet.Host) string {
	return fmt.Sprintf("sip:%s@%s", user, netip.AddrPortFrom(h.Addr(), sipPort))
}
