package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/sipstack"
)

// flow is a socket and a peer: where a transaction's messages go.
type flow struct {
	sock *port
	peer netip.AddrPort
}

// clientTx is a client transaction. Its user reads responses and ended until a final
// response or the end, and then calls finish.
type clientTx struct {
	c         *Client
	tx        *sipstack.ClientTx
	req       *sip.Request
	flow      flow
	responses chan *sipmsg.Response
	ended     chan error
}

// begin sends a request and starts its transaction.
func (c *Client) begin(f flow, req *sip.Request) (*clientTx, error) {
	t := &clientTx{c: c, req: req, flow: f, responses: make(chan *sipmsg.Response, 16), ended: make(chan error, 1)}
	tx, err := c.stack.Request(f.sock.sock, f.peer, sipmsg.NewSent(req), t)
	if err != nil {
		return nil, notSent(req.Method, err)
	}
	t.tx = tx
	return t, nil
}

// beginOn begins a transaction on a path. Several goroutines may have something to say in a
// dialog, and its CSeqs must leave in their order (RFC 3261 section 12.2.2).
func (c *Client) beginOn(p path, dst netip.AddrPort, req *sip.Request) (*clientTx, error) {
	if s := p.dialog; s != nil {
		_ = s.turn.lock(context.Background()) // it is held while a message is sent, and no longer
		defer s.turn.unlock()
		n := s.number(req)
		if p.numbered != nil {
			p.numbered(n)
		}
	}
	return c.begin(flow{p.sock, dst}, req)
}

// notSent says why a request did not leave.
func notSent(method sip.RequestMethod, err error) error {
	switch {
	case errors.Is(err, sipstack.ErrTooLarge):
		return fmt.Errorf("%w: %s was never sent: %w", ErrMessageTooLarge, method, err)
	case errors.Is(err, sipstack.ErrClosed):
		return ErrClosed
	}
	return fmt.Errorf("ua: %s was never sent: %w", method, err)
}

// Response passes a response to whoever waits. The channel holds more than anybody sends
// before one is read.
func (t *clientTx) Response(res *sipmsg.Response) {
	select {
	case t.responses <- res:
	default:
	}
}

func (t *clientTx) Failed(err error) { t.ended <- err }

func (t *clientTx) Canceled() {}

// finish lets go of the transaction. After a final response it goes on to absorb
// repetitions.
func (t *clientTx) finish() { t.tx.Terminate() }

// failure says why a transaction ended without a final response.
func (t *clientTx) failure(err error) error {
	if !errors.Is(err, sipstack.ErrTimeout) {
		return fmt.Errorf("ua: %s to %s: %w", t.req.Method, t.flow.peer, err)
	}
	via := t.req.Via()
	adv, _ := sipmsg.HostAddr(via.Host)
	return &TimeoutError{
		Method: string(t.req.Method), To: t.flow.peer, From: t.flow.sock.local,
		Via: netip.AddrPortFrom(adv, sipmsg.PortOr(via.Port)),
	}
}

// serverTx is a server transaction and the request that began it. All its responses bear
// one To tag (RFC 3261 section 8.2.6.2).
type serverTx struct {
	*sipstack.ServerTx
	c        *Client
	req      *sipmsg.Request
	inDialog bool // the request came with a To tag
	refused  bool // it is not as it should be
}

// respond answers; extra header fields go into the response, which is returned.
func (t *serverTx) respond(code int, reason string, body []byte, extra ...sip.Header) ([]byte, error) {
	if code >= 200 {
		t.c.ctr.answered.add(code)
	}
	b := t.write(code, reason, body, extra...)
	return b, t.Respond(code, b)
}

// write is the response that respond sends.
func (t *serverTx) write(code int, reason string, body []byte, extra ...sip.Header) []byte {
	headers := make([]sipmsg.Header, len(extra))
	for i, h := range extra {
		headers[i] = sipmsg.Header{Name: h.Name(), Value: h.Value()}
	}
	return t.req.Respond(code, reason, t.Tag, body, headers...)
}

// reply is respond for answers whose loss the peer's retransmission heals.
func (t *serverTx) reply(code int, reason string, extra ...sip.Header) {
	_, _ = t.respond(code, reason, nil, extra...) // the stack tells of what does not leave
}

// resend sends a 2xx once more: its repetition is not the transaction's business (RFC
// 6026 section 7.1).
func (t *serverTx) resend(b []byte) error {
	return t.c.stack.Write(t.Socket, b, t.To)
}
