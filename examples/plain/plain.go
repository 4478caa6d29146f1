// Package plain is a second phone for the lab: sipgo as it comes, which knows nothing of NATs
// and writes the addresses that it is bound to.
package plain

import (
	"context"
	"net/netip"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// Phone is the plain phone, for stage.Phones.
var Phone = stage.Phone{Name: "plain", New: start, Traits: stage.Able(stage.Unaided, stage.Messages, stage.Options, stage.Keys, stage.Reinvites)}

type phone struct {
	stage.Setup
	*stage.Audio
	ua      *sipgo.UserAgent
	dialogs sipgo.DialogUA
	call    *sipgo.DialogClientSession // the last that it made
}

func start(s stage.Setup) (stage.Endpoint, error) {
	conn, err := s.Host.Listen(netip.AddrPortFrom(s.Host.Addr(), s.SIPPort))
	if err != nil {
		return nil, err
	}
	p := &phone{Setup: s}
	if p.Audio, err = s.Audio(); err != nil {
		return nil, err
	}
	p.ua, _ = sipgo.NewUA(sipgo.WithUserAgent(string(s.Side)), sipgo.WithUserAgentHostname(cell.Domain), sipgo.WithUserAgentDNSResolver(bubble.NoDNS))
	server, _ := sipgo.NewServer(p.ua)
	p.dialogs.Client, _ = sipgo.NewClient(p.ua, sipgo.WithClientConnectionAddr(conn.LocalAddr().String()))
	p.dialogs.ContactHDR.Address = sip.Uri{Scheme: "sip", User: string(s.Side), Host: s.Host.Addr().String(), Port: int(s.SIPPort)}
	answers := sipgo.NewDialogServerCache(p.dialogs.Client, p.dialogs.ContactHDR)
	server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		if d, err := answers.MatchDialogRequest(req); err == nil {
			p.reanswer(d, req, tx)
			return
		}
		if d, err := answers.ReadInvite(req, tx); err == nil && p.Talk(req.Body()) == nil {
			_ = d.RespondSDP(p.Describe())
		}
	})
	server.OnAck(func(req *sip.Request, tx sip.ServerTransaction) { _ = answers.ReadAck(req, tx) })
	server.OnBye(func(req *sip.Request, tx sip.ServerTransaction) { _ = answers.ReadBye(req, tx); p.Audio.Close() })
	for _, on := range []func(sipgo.RequestHandler){server.OnMessage, server.OnOptions} {
		on(func(req *sip.Request, tx sip.ServerTransaction) {
			_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
		})
	}
	go server.ServeUDP(conn)
	for p.ua.TransportLayer().Pool("udp").Size() == 0 { // sipgo cannot send before it reads
		time.Sleep(time.Millisecond)
	}
	return p, nil
}

// request goes by way of the proxy.
func (p *phone) request(method sip.RequestMethod, uri string) *sip.Request {
	req := sip.NewRequest(method, sip.Uri{})
	_ = sip.ParseUri(uri, &req.Recipient)
	req.AppendHeader(sip.NewHeader("Route", "<sip:"+p.Proxy.String()+";lr>")) // all that the request needs, a CANCEL too, goes there
	req.AppendHeader(&p.dialogs.ContactHDR)
	return req
}

func (p *phone) Register(ctx context.Context) error {
	req := p.request(sip.REGISTER, "sip:"+cell.Domain)
	req.AppendHeader(sip.NewHeader("To", "<"+p.URI+">"))
	return p.do(ctx, req)
}

func (p *phone) Call(ctx context.Context, target string) (stage.Call, error) {
	req := p.request(sip.INVITE, target)
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(p.Describe())
	call, err := p.dialogs.WriteInvite(ctx, req)
	if err == nil {
		err = call.WaitAnswer(ctx, sipgo.AnswerOptions{})
	}
	if err != nil {
		return nil, stage.Unanswered(err)
	}
	p.call = call
	_ = p.Talk(call.InviteResponse.Body())
	return stage.CallFunc(func(ctx context.Context) error { p.Audio.Close(); return call.Bye(ctx) }), call.Ack(ctx)
}

func (p *phone) Message(ctx context.Context, target, text string) error {
	req := p.request(sip.MESSAGE, target)
	req.AppendHeader(sip.NewHeader("Content-Type", "text/plain"))
	req.SetBody([]byte(text))
	return p.do(ctx, req)
}

func (p *phone) Ask(ctx context.Context, target string) error {
	return p.do(ctx, p.request(sip.OPTIONS, target))
}

func (p *phone) do(ctx context.Context, req *sip.Request) error {
	_, err := p.dialogs.Client.Do(ctx, req)
	return stage.Unanswered(err)
}

func (p *phone) Close() error {
	p.Audio.Close()
	return p.ua.Close()
}
