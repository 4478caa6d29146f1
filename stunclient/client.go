package stunclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// A Client runs STUN transactions over one socket. Its methods may be called
// from any number of goroutines.
type Client struct {
	w       Writer
	opts    Options
	optsErr error

	mu      sync.Mutex
	pending map[attr.ID]*transaction
	closed  chan struct{} // closed by Close
	stats   Stats
}

// A transaction waits for its response.
type transaction struct {
	server    netip.AddrPort
	anySource bool // the request asked for an answer from elsewhere
	result    chan result
}

type result struct {
	header  attr.Header
	message *pion.Message
	err     error // attributes that cannot be read
	from    netip.AddrPort
}

// Stats counts what a client has sent and what Handle was given.
type Stats struct {
	Requests        uint64 // first requests of transactions
	Retransmissions uint64
	Indications     uint64

	Responses        uint64 // that ended a transaction
	Unmatched        uint64 // responses to no transaction that still waits: late, repeated, or forged
	UnexpectedSource uint64 // dropped: from an address that was not asked
	BadFingerprint   uint64 // dropped
	Other            uint64 // requests and indications
}

// New makes a client that sends through w. Options that make no sense are the
// error of every transaction. A client needs no Close unless somebody might
// still wait for it.
func New(w Writer, opts Options) *Client {
	c := &Client{w: w, closed: make(chan struct{})}
	c.opts, c.optsErr = opts.withDefaults()
	return c
}

// Close makes the transactions that wait, and all later ones, fail with
// net.ErrClosed. It does not close the socket.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return nil
}

// Stats returns a snapshot.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Binding asks server how this socket is mapped. Setters add attributes to the
// request. With attr.ChangeRequest the response may come from any address, see
// Response.From; without it only from server.
//
// The error is, in the sense of errors.Is and errors.As, one of ErrTimeout,
// ErrBadResponse, ErrUnknownAttributes, *ErrorResponse, net.ErrClosed, the
// context's cause, or what the socket said.
func (c *Client) Binding(ctx context.Context, server netip.AddrPort, setters ...pion.Setter) (Response, error) {
	return c.do(ctx, server, c.opts.timing(), false, setters)
}

// Legacy is Binding in the manner of RFC 3489: no magic cookie, and requests at
// 0, 100, 300, 700, 1500, 3100, 4700, 6300 and 7900 ms, whatever the options say.
func (c *Client) Legacy(ctx context.Context, server netip.AddrPort, setters ...pion.Setter) (Response, error) {
	return c.do(ctx, server, legacyTiming, true, setters)
}

// Indication sends a Binding indication, which keeps a mapping alive and has no
// answer (RFC 8445 section 11 keeps paths alive so).
func (c *Client) Indication(server netip.AddrPort) error {
	err := c.indicate(server)
	if err != nil {
		return fmt.Errorf("stunclient: indication to %v: %w", server, err)
	}
	return nil
}

func (c *Client) indicate(server netip.AddrPort) error {
	id, err := c.newID(false)
	if err != nil {
		return err
	}
	m, err := c.build(pion.NewType(pion.MethodBinding, pion.ClassIndication), id, nil)
	if err != nil {
		return err
	}
	if c.isClosed() {
		return net.ErrClosed
	}
	c.tally(&c.stats.Indications)
	_, err = c.w.WriteTo(m.Raw, net.UDPAddrFromAddrPort(server))
	return err
}

func (c *Client) do(ctx context.Context, server netip.AddrPort, t timing, legacy bool, setters []pion.Setter) (Response, error) {
	server = netip.AddrPortFrom(server.Addr().Unmap(), server.Port())
	r, err := c.transact(ctx, server, t, legacy, setters)
	if err != nil {
		return r, fmt.Errorf("stunclient: binding %v: %w", server, err)
	}
	return r, nil
}

func (c *Client) transact(ctx context.Context, server netip.AddrPort, t timing, legacy bool, setters []pion.Setter) (Response, error) {
	if err := ctx.Err(); err != nil {
		return Response{}, context.Cause(ctx)
	}
	m, tx, id, err := c.begin(server, legacy, setters)
	if err != nil {
		return Response{}, err
	}
	defer c.end(id)

	to := net.UDPAddrFromAddrPort(server)
	start := time.Now()
	if _, err := c.w.WriteTo(m.Raw, to); err != nil {
		return Response{}, err
	}
	sends := 1
	timer := time.NewTimer(t.wait(sends))
	defer timer.Stop()
	for {
		select {
		case got := <-tx.result:
			r, err := parse(got.message, got.err, legacy)
			r.From, r.RTT, r.Sends = got.from, time.Since(start), sends
			var refused *ErrorResponse
			if errors.As(err, &refused) {
				refused.Response = r
			}
			return r, err
		case <-timer.C:
			if sends == t.sends {
				return Response{}, fmt.Errorf("%w to %d requests in %v", ErrTimeout, sends, time.Since(start))
			}
			c.tally(&c.stats.Retransmissions)
			if _, err := c.w.WriteTo(m.Raw, to); err != nil {
				return Response{}, err
			}
			sends++
			timer.Reset(t.wait(sends))
		case <-ctx.Done():
			return Response{}, context.Cause(ctx)
		case <-c.closed:
			return Response{}, net.ErrClosed
		}
	}
}

// begin builds a request and registers its transaction.
func (c *Client) begin(server netip.AddrPort, legacy bool, setters []pion.Setter) (*pion.Message, *transaction, attr.ID, error) {
	var id attr.ID
	if !server.IsValid() || server.Port() == 0 {
		return nil, nil, id, errors.New("not an address and port")
	}
	id, err := c.newID(legacy)
	if err != nil {
		return nil, nil, id, err
	}
	m, err := c.build(pion.BindingRequest, id, setters)
	if err != nil {
		return nil, nil, id, err
	}
	var change attr.ChangeRequest
	_ = change.GetFrom(m) // absent is no change
	tx := &transaction{server: server, anySource: change.IP || change.Port, result: make(chan result, 1)}

	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.isClosed():
		return nil, nil, id, net.ErrClosed
	case c.pending[id] != nil:
		return nil, nil, id, fmt.Errorf("transaction id %x is in use: the source of randomness repeats itself", id)
	case c.pending == nil:
		c.pending = make(map[attr.ID]*transaction)
	}
	c.pending[id] = tx
	c.stats.Requests++
	return m, tx, id, nil
}

func (c *Client) end(id attr.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

func (c *Client) tally(n *uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

func (c *Client) newID(legacy bool) (attr.ID, error) {
	var id attr.ID
	if c.optsErr != nil {
		return id, c.optsErr
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !legacy {
		var random [12]byte
		if _, err := io.ReadFull(c.opts.Rand, random[:]); err != nil {
			return id, fmt.Errorf("transaction id: %w", err)
		}
		return attr.NewID(random), nil
	}
	if _, err := io.ReadFull(c.opts.Rand, id[:]); err != nil {
		return id, fmt.Errorf("transaction id: %w", err)
	}
	if id.Legacy() {
		return id, nil
	}
	id[0] ^= 0xFF // by chance the magic cookie
	return id, nil
}

func (c *Client) build(t pion.MessageType, id attr.ID, setters []pion.Setter) (*pion.Message, error) {
	all := append([]pion.Setter{t, id}, setters...)
	if c.opts.Fingerprint && !id.Legacy() {
		all = append(all, pion.Fingerprint)
	}
	return pion.Build(all...)
}
