package gateway

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

func (s *Server) onACK(req *sip.Request, _ sip.ServerTransaction) {
	if c := s.find(req); c != nil {
		c.ack(req)
	}
}

func (s *Server) onBYE(req *sip.Request, tx sip.ServerTransaction) {
	c := s.inDialog(req, tx)
	if c == nil {
		return
	}
	s.send(tx, s.response(req, sip.StatusOK, "OK", nil))
	c.end(CallerHungUp)
}

// onOptions tells what an INVITE would find (RFC 3261 §11.2).
func (s *Server) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	s.mu.Lock()
	busy := s.cfg.MaxCalls > 0 && len(s.dialogs) >= s.cfg.MaxCalls
	s.mu.Unlock()
	if busy && s.initial(req) {
		s.refuse(req, tx, sip.StatusBusyHere, "Busy Here", header("Allow", allow))
		return
	}
	s.send(tx, s.response(req, sip.StatusOK, "OK", nil, s.contact(),
		header("Allow", allow), header("Accept", sdpType), header("Accept-Encoding", "identity"), header("Supported", "")))
}

// onCancel gets the CANCEL that matches no INVITE; sipgo answers the others.
func (s *Server) onCancel(req *sip.Request, tx sip.ServerTransaction) {
	s.refuse(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
}

func (s *Server) onOther(req *sip.Request, tx sip.ServerTransaction) {
	s.refuse(req, tx, sip.StatusMethodNotAllowed, "Method Not Allowed", header("Allow", allow))
}

// inDialog finds the call of a request and takes its CSeq; nil means it has
// been answered.
func (s *Server) inDialog(req *sip.Request, tx sip.ServerTransaction) *call {
	c := s.find(req)
	switch {
	case c == nil:
		s.refuse(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return nil
	case !c.advance(req.CSeq().SeqNo): // RFC 3261 §12.2.2
		s.refuse(req, tx, sip.StatusInternalServerError, "CSeq Too Low")
		return nil
	}
	return c
}

// onReinvite changes a call: another address, hold, or a mere refresh
// (RFC 3261 §14.2). A refusal leaves the call as it was.
func (s *Server) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	c := s.inDialog(req, tx)
	if c == nil {
		return
	}
	body, ok := s.body(req, tx)
	if !ok {
		return
	}
	var offer *media.Description
	if body != nil {
		d, err := media.Parse(body)
		if err != nil {
			s.refuseOffer(req, tx, err)
			return
		}
		offer = &d
	}
	c.renegotiate(req, tx, offer)
}

// claim makes sure that one INVITE at a time waits for its ACK.
func (c *call) claim() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy || c.view.State != Talking {
		return false
	}
	c.busy = true
	return true
}

func (c *call) release() {
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
}

// errNoRTCP: a call that began multiplexed has no socket to stop being so.
var errNoRTCP = errors.New("gateway: no socket for RTCP alone")

func (c *call) renegotiate(req *sip.Request, tx sip.ServerTransaction, offer *media.Description) {
	s := c.s
	mine := c.again()
	if offer != nil {
		answer, err := media.Answer(*offer, mine)
		if err == nil && c.muxOnly && !answer.Mux {
			err = errNoRTCP
		}
		if err != nil {
			s.refuseOffer(req, tx, err)
			return
		}
		mine = answer
	}
	if !c.claim() {
		s.refuse(req, tx, sip.StatusInternalServerError, "Another INVITE Is In Progress", header("Retry-After", s.retryAfter()))
		return
	}
	defer c.release()
	acked := c.expectACK(req.CSeq().SeqNo)
	ok := s.accept(req, mine)
	if !s.send(tx, ok) {
		return
	}
	c.retarget(req)
	if offer != nil {
		c.apply(mine, *offer)
	}
	ack := c.awaitACK(tx, ok, acked)
	switch {
	case ack == nil:
		c.bye(NoACK)
	case offer == nil:
		answer, err := media.Parse(ack.Body())
		if err != nil {
			c.bye(BadAnswer)
			return
		}
		c.apply(mine, answer)
	}
}

// again is our side for a new exchange: the same sockets and the codec and
// multiplexing the stream already has, one version on (RFC 3264 §8).
func (c *call) again() media.Description {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.view.Local
	d.Codecs = []media.Codec{c.view.Agreed.Codec}
	for _, codec := range c.view.Local.Codecs {
		if codec.Name != c.view.Agreed.Codec.Name && codec.Name == "telephone-event" {
			d.Codecs = append(d.Codecs, codec)
		}
	}
	d.Direction, d.Others, d.AudioIndex = media.SendRecv, nil, 0
	d.Mux = c.view.Agreed.Mux
	d.SessionVersion++
	return d
}

// apply moves the stream to what was agreed.
func (c *call) apply(mine, theirs media.Description) {
	agreed, err := media.Agree(mine, theirs)
	if err != nil {
		c.s.log.Warn("re-INVITE", "call", c.dialog.callID, "error", err)
		return
	}
	c.mu.Lock()
	c.view.Local, c.view.Remote, c.view.Agreed = mine, theirs, agreed
	c.view.Reinvites++
	stream := c.stream
	c.mu.Unlock()
	if stream != nil {
		stream.SetDirection(agreed.Send, agreed.Recv)
		stream.SetRemote(agreed.RTP, agreed.RTCP)
	}
}

// retarget: a re-INVITE is a target refresh request (RFC 3261 §12.2.2).
func (c *call) retarget(req *sip.Request) {
	if h := req.Contact(); h != nil && isSIP(&h.Address) {
		c.mu.Lock()
		c.dialog.target = *h.Address.Clone()
		c.mu.Unlock()
	}
}

// bye stops media, sends BYE by Contact and Record-Route, and ends the call
// with whatever becomes of it (RFC 3261 §15.1.1).
func (c *call) bye(cause Cause) {
	if !c.become(Hangup) {
		return
	}
	c.stopMedia()
	c.mu.Lock()
	req := c.dialog.request(sip.BYE)
	hop := c.dialog.nextHop()
	c.mu.Unlock()
	req.SetDestination(net.JoinHostPort(trimBrackets(hop.Host), strconv.Itoa(portOf(hop))))

	_, err := c.s.client.Do(c.ctx, req, c.s.fromOurSocket, sipgo.ClientRequestAddVia)
	if err != nil && !errors.Is(err, context.Canceled) {
		c.s.log.Warn("BYE", "call", c.dialog.callID, "error", err)
	}
	c.end(cause)
}

// fromOurSocket makes sipgo use the socket that Serve reads.
func (s *Server) fromOurSocket(_ *sipgo.Client, req *sip.Request) error {
	req.Laddr = sip.Addr{IP: net.IP(s.local.Addr().AsSlice()), Port: int(s.local.Port())}
	return nil
}

func portOf(u sip.Uri) int {
	if u.Port > 0 {
		return u.Port
	}
	return sip.DefaultUdpPort
}

func trimBrackets(host string) string {
	if n := len(host); n > 1 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}
