package certify_test

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/pion/stun/v3"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/stunclient"
)

// settings are what a settable phone can be.
type settings struct {
	rport, stun           bool
	stunMedia, noRTCP     bool // it asks for its media alone; it sends no reports
	learns                bool // it registers what the registrar saw, too
	latch                 media.Latch
	strict, silent, names bool
	keepAlive             cell.KeepAlive // none, crlf or zero
	interval              time.Duration
}

// traits are what it declares.
func (s settings) traits() theory.Traits {
	t := theory.Traits{
		SignallingTraits: theory.SignallingTraits{Rport: s.rport},
		MediaTraits: theory.MediaTraits{
			Latch: s.latch != media.LatchOff, Strict: s.strict, Silent: s.silent, NamesRTCP: s.names,
			Policy: map[media.Latch]theory.LatchPolicy{media.LatchOnce: theory.LatchOnce, media.LatchWindow: theory.LatchWindow, media.LatchSameAddress: theory.LatchSameAddress}[s.latch],
		},
	}
	if s.stun {
		t.Address = theory.Asked
	}
	if s.stunMedia {
		t.Media = theory.MediaAsked
	}
	t.NoRTCP, t.Learns = s.noRTCP, s.learns
	return t
}

// settable is the plain phone of examples/plain, with settings: another sipgo phone than package ua,
// of whose traits the certificate is not told.
func settable(s settings) stage.Phone {
	return stage.Phone{Name: "settable", New: func(setup stage.Setup) (stage.Endpoint, error) { return startSettable(setup, s) }}
}

type settablePhone struct {
	stage.Setup
	settings
	conn      net.PacketConn
	media     [2]net.PacketConn
	ua        *sipgo.UserAgent
	dialogs   sipgo.DialogUA
	answers   *sipgo.DialogServerCache
	sip       netip.AddrPort // as others are told
	described media.Description
	stop      chan struct{}
	ending    sync.WaitGroup

	mu     sync.Mutex
	stream *media.Stream
}

func startSettable(setup stage.Setup, s settings) (stage.Endpoint, error) {
	p := &settablePhone{Setup: setup, settings: s, stop: make(chan struct{})}
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(setup.Host.Addr(), port) }
	var conns [3]net.PacketConn
	known := [3]netip.AddrPort{at(setup.SIPPort), at(setup.RTPPort), at(setup.RTPPort + 1)}
	for i := range conns {
		c, err := setup.Host.Listen(known[i])
		if err != nil {
			return nil, err
		}
		conns[i] = c
		if s.stun || s.stunMedia && i > 0 {
			if known[i], err = asked(c, setup.STUN); err != nil {
				return nil, err
			}
		}
	}
	if s.stun {
		p.ending.Go(func() { p.keepsMapping(conns[0]) })
	}
	p.conn, p.media, p.sip = conns[0], [2]net.PacketConn{conns[1], conns[2]}, known[0]
	p.described = media.Description{RTP: known[1], RTCP: known[2], NameRTCP: s.names}
	p.ua, _ = sipgo.NewUA(sipgo.WithUserAgent(string(setup.Side)), sipgo.WithUserAgentHostname(cell.Domain), sipgo.WithUserAgentDNSResolver(bubble.NoDNS))
	server, _ := sipgo.NewServer(p.ua)
	options := []sipgo.ClientOption{sipgo.WithClientConnectionAddr(p.conn.LocalAddr().String())}
	if s.rport {
		options = append(options, sipgo.WithClientNAT()) // of what sipgo sends by itself: ACK and BYE
	}
	p.dialogs.Client, _ = sipgo.NewClient(p.ua, options...)
	p.dialogs.ContactHDR.Address = sip.Uri{Scheme: "sip", User: string(setup.Side), Host: p.sip.Addr().String(), Port: int(p.sip.Port())}
	p.answers = sipgo.NewDialogServerCache(p.dialogs.Client, p.dialogs.ContactHDR)
	server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		if d, err := p.answers.ReadInvite(req, tx); err == nil && p.talk(req.Body()) == nil {
			_ = d.RespondSDP(media.Marshal(p.described))
		}
	})
	server.OnAck(func(req *sip.Request, tx sip.ServerTransaction) { _ = p.answers.ReadAck(req, tx) })
	server.OnBye(func(req *sip.Request, tx sip.ServerTransaction) { _ = p.answers.ReadBye(req, tx); p.hush() })
	server.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	})
	go server.ServeUDP(p.conn)
	for p.ua.TransportLayer().Pool("udp").Size() == 0 {
		time.Sleep(time.Millisecond)
	}
	return p, nil
}

// asked is the address that the STUN server sees a socket at.
func asked(conn net.PacketConn, server netip.AddrPort) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	client := stunclient.New(conn, stunclient.Options{})
	defer client.Close()
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil || client.Handle(b[:n], from) {
				return
			}
		}
	}()
	r, err := client.Binding(ctx, server)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return r.Address(), nil
}

// keepsMapping keeps the mapping towards the STUN server, as who has registered an address of it has
// to: an indication, which is not answered (RFC 8489 §6.3.2).
func (p *settablePhone) keepsMapping(conn net.PacketConn) {
	keeps := stun.MustBuild(stun.NewTransactionIDSetter([stun.TransactionIDSize]byte{'a', 'g', 'a', 'i', 'n'}), stun.NewType(stun.MethodBinding, stun.ClassIndication))
	p.every(25*time.Second, func() { _, _ = conn.WriteTo(keeps.Raw, net.UDPAddrFromAddrPort(p.STUN)) })
}

// every does something again and again until the phone is closed.
func (p *settablePhone) every(d time.Duration, do func()) {
	for {
		wait := time.NewTimer(d)
		select {
		case <-wait.C:
			do()
		case <-p.stop:
			wait.Stop()
			return
		}
	}
}

// request goes by way of the proxy, with a Via of its own.
func (p *settablePhone) request(method sip.RequestMethod, uri string) *sip.Request {
	req := sip.NewRequest(method, sip.Uri{})
	_ = sip.ParseUri(uri, &req.Recipient)
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: p.sip.Addr().String(), Port: int(p.sip.Port()), Params: sip.NewParams()}
	via.Params.Add("branch", sip.GenerateBranch())
	if p.rport {
		via.Params.Add("rport", "")
	}
	req.AppendHeader(via)
	req.AppendHeader(sip.NewHeader("Route", "<sip:"+p.Proxy.String()+";lr>"))
	req.AppendHeader(&p.dialogs.ContactHDR)
	return req
}

func (p *settablePhone) Register(ctx context.Context) error {
	req := p.request(sip.REGISTER, "sip:"+cell.Domain)
	req.AppendHeader(sip.NewHeader("To", "<"+p.URI+">"))
	res, err := p.dialogs.Client.Do(ctx, req)
	if old := p.dialogs.ContactHDR; err == nil && p.learns && p.learn(res) {
		again := p.request(sip.REGISTER, "sip:"+cell.Domain)
		again.AppendHeader(sip.NewHeader("Contact", "<"+old.Address.String()+">;expires=0"))
		again.AppendHeader(sip.NewHeader("To", "<"+p.URI+">"))
		_, err = p.dialogs.Client.Do(ctx, again)
	}
	if err == nil && p.keepAlive != cell.KeepAliveNone {
		p.ending.Go(p.keeps)
	}
	return stage.Unanswered(err)
}

// learn takes the address that the registrar saw into the Contact, if it is another.
func (p *settablePhone) learn(res *sip.Response) bool {
	received, _ := res.Via().Params.Get("received")
	rport, _ := res.Via().Params.Get("rport")
	port, err := strconv.Atoi(rport)
	if err != nil || received == "" || received == p.dialogs.ContactHDR.Address.Host && port == p.dialogs.ContactHDR.Address.Port {
		return false
	}
	p.dialogs.ContactHDR.Address.Host, p.dialogs.ContactHDR.Address.Port = received, port
	p.answers = sipgo.NewDialogServerCache(p.dialogs.Client, p.dialogs.ContactHDR)
	return true
}

func (p *settablePhone) keeps() {
	packet := map[cell.KeepAlive]string{cell.KeepAliveCRLF: "\r\n\r\n", cell.KeepAliveZero: "\x00\x00\x00\x00"}[p.keepAlive]
	p.every(p.interval, func() { _, _ = p.conn.WriteTo([]byte(packet), net.UDPAddrFromAddrPort(p.Proxy)) })
}

func (p *settablePhone) Call(ctx context.Context, target string) (stage.Call, error) {
	req := p.request(sip.INVITE, target)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(media.Marshal(p.described))
	call, err := p.dialogs.WriteInvite(ctx, req)
	if err == nil {
		err = call.WaitAnswer(ctx, sipgo.AnswerOptions{})
	}
	if err != nil {
		return nil, stage.Unanswered(err)
	}
	_ = p.talk(call.InviteResponse.Body())
	return stage.CallFunc(func(ctx context.Context) error { p.hush(); return call.Bye(ctx) }), call.Ack(ctx)
}

func (p *settablePhone) talk(description []byte) error {
	there, err := media.Parse(description)
	if err != nil {
		return err
	}
	p.hush()
	p.mu.Lock()
	defer p.mu.Unlock()
	reports := p.media[1]
	if p.noRTCP {
		reports = mute{reports}
	}
	p.stream, err = media.New(media.Config{RTP: p.media[0], RTCP: reports, Seed: p.Seed, Silent: p.silent || !p.Media, Latch: p.latch, Strict: p.strict})
	if err != nil {
		return err
	}
	return p.stream.Start(there.RTP, there.RTCP)
}

func (p *settablePhone) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stream != nil {
		p.stream.Close()
		p.stream = nil
	}
}

func (p *settablePhone) Close() error {
	close(p.stop)
	p.ending.Wait()
	p.hush()
	return p.ua.Close()
}

// mute is a socket that sends nothing.
type mute struct{ net.PacketConn }

func (mute) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }
