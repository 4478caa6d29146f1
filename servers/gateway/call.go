package gateway

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/media"
)

// State is how far a call has come.
type State uint8

// The states in their order. A call that fails goes from any of them to Ended.
const (
	Trying   State = iota // INVITE received
	Ringing               // 180 sent
	Answered              // 200 sent, no ACK yet
	Talking               // ACK received
	Hangup                // BYE sent, no response yet
	Ended
)

var stateNames = [...]string{"trying", "ringing", "answered", "talking", "hangup", "ended"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Cause is why a call ended.
type Cause uint8

// The causes.
const (
	NotEnded      Cause = iota
	CallerHungUp        // BYE received
	GatewayHungUp       // BYE sent: TalkTime, Hangup or Shutdown
	Canceled            // CANCEL received
	Expired             // the INVITE's Expires passed while ringing
	NoACK               // the 200 was never acknowledged (RFC 3261 §13.3.1.4)
	BadAnswer           // the ACK to our offer has no usable answer
	NoPorts             // no media socket could be opened
	SendFailed          // a response could not be sent
	Closed              // Close
)

var causeNames = [...]string{"", "caller hung up", "gateway hung up", "canceled", "expired", "no ACK", "bad answer", "no media port", "send failed", "closed"}

func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown"
}

// Call is a snapshot of one call.
type Call struct {
	ID     string         // Call-ID
	Number string         // the user part that was called
	From   string         // the caller's URI
	Source netip.AddrPort // where the INVITE came from
	State  State
	Cause  Cause // when ended

	Invited, Answered, Established, Ended time.Time // zero until then

	// Retransmissions counts repeated 200 responses. A caller whose ACKs are
	// lost shows here before NoACK.
	Retransmissions int
	Reinvites       int // accepted ones

	Local, Remote media.Description // as last exchanged
	Agreed        media.Agreement   // what they come to: addresses, codec, direction
	Media         media.Stats       // the last ones when ended
}

// call is one INVITE dialog.
type call struct {
	s      *Server
	n      uint64 // arrival number
	dialog dialog
	number string

	ctx      context.Context // ends with the call
	over     context.CancelFunc
	canceled signal // CANCEL was received
	hungUp   signal // Hangup was called

	mu         sync.Mutex
	view       Call
	rtp, rtcp  net.PacketConn // until the stream has them; rtcp is nil when multiplexed
	stream     *media.Stream
	remoteCSeq uint32
	busy       bool // a re-INVITE is being answered
	muxOnly    bool // there is no socket for RTCP alone
	acks       map[uint32]chan *sip.Request
}

// signal is something that happens once.
type signal struct {
	once sync.Once
	ch   chan struct{}
}

func newSignal() signal  { return signal{ch: make(chan struct{})} }
func (s *signal) raise() { s.once.Do(func() { close(s.ch) }) }

// snapshot is what Calls shows.
func (c *call) snapshot() Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshotLocked()
}

func (c *call) snapshotLocked() Call {
	v := c.view
	if c.stream != nil {
		v.Media = c.stream.Stats()
	}
	return v
}

// become changes the state, unless the call is over or past it.
func (c *call) become(to State) bool {
	c.s.change.Lock()
	defer c.s.change.Unlock()
	c.mu.Lock()
	if c.view.State >= to {
		c.mu.Unlock()
		return false
	}
	c.view.State = to
	switch now := time.Now(); to {
	case Answered:
		c.view.Answered = now
	case Talking:
		c.view.Established = now
	}
	v := c.snapshotLocked()
	c.mu.Unlock()
	c.s.changed(v)
	return true
}

// end ends the call once: media stops, sockets close, the dialog is forgotten.
func (c *call) end(cause Cause) {
	c.mu.Lock()
	if c.view.State == Ended {
		c.mu.Unlock()
		return
	}
	c.view.State, c.view.Cause, c.view.Ended = Ended, cause, time.Now()
	c.mu.Unlock()
	c.over()

	c.stopMedia()
	c.s.forget(c)
	c.s.change.Lock()
	defer c.s.change.Unlock()
	c.s.changed(c.snapshot())
}

// stopMedia ends the stream and keeps its last figures, or closes the sockets
// that no stream has yet.
func (c *call) stopMedia() {
	c.mu.Lock()
	stream, rtp, rtcp := c.stream, c.rtp, c.rtcp
	c.rtp, c.rtcp = nil, nil
	c.mu.Unlock()
	closeAll(rtp, rtcp)
	if stream == nil {
		return
	}
	if err := stream.Close(); err != nil {
		c.s.log.Debug("media sockets", "call", c.dialog.callID, "error", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		c.view.Media, c.stream = c.stream.Stats(), nil
	}
}

// state is the state now.
func (c *call) state() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view.State
}

// expectACK makes the channel on which the ACK for one INVITE comes.
func (c *call) expectACK(cseq uint32) chan *sip.Request {
	ch := make(chan *sip.Request, 1)
	c.mu.Lock()
	c.acks[cseq] = ch
	c.mu.Unlock()
	return ch
}

// ack hands over an ACK; a second one for the same INVITE is a retransmission.
func (c *call) ack(req *sip.Request) {
	cseq := req.CSeq().SeqNo
	c.mu.Lock()
	ch := c.acks[cseq]
	delete(c.acks, cseq)
	c.mu.Unlock()
	if ch != nil {
		ch <- req
	}
}

// advance takes the CSeq of a request in the dialog; false means it is older
// than one already seen (RFC 3261 §12.2.2).
func (c *call) advance(cseq uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cseq < c.remoteCSeq {
		return false
	}
	c.remoteCSeq = cseq
	return true
}
