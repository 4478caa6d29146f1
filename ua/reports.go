package ua

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// The states of a subscription (RFC 6665 section 4.1.3).
const (
	active     = "active"
	pending    = "pending"
	terminated = "terminated"
)

const sipfrag = "message/sipfrag"

// referExpires is how long a call that was asked for is reported on.
const referExpires = 10 * time.Minute

// report is what one NOTIFY says of a call that was asked for.
type report struct {
	code       int
	reason     string
	state, why string // Subscription-State, and its reason where it is terminated
}

// reports is the notifier's end of the subscription that a REFER makes (RFC 3515 section
// 2.4.4). It goes on when the call has ended in which the REFER came (RFC 5057).
type reports struct {
	s     *Session
	event string
	wake  chan struct{}
	// began and ended are closed when the first and the last report have left, or will not.
	began, ended chan struct{}
	begin, end   func()

	mu    sync.Mutex
	queue []report
	last  int
	over  bool // nothing will be added
}

// newReports begins the subscription; the id tells it from others of the dialog (RFC 3515
// section 2.4.6).
func newReports(s *Session, cseq uint32) *reports {
	r := &reports{
		s: s, event: "refer;id=" + strconv.FormatUint(uint64(cseq), 10),
		wake: make(chan struct{}, 1), began: make(chan struct{}), ended: make(chan struct{}),
	}
	r.begin, r.end = sync.OnceFunc(func() { close(r.began) }), sync.OnceFunc(func() { close(r.ended) })
	return r
}

// add queues a report, unless it says what the one before has said.
func (r *reports) add(n report) {
	if n.reason == "" {
		n.reason = reasonPhrase(n.code)
	}
	key := n.code
	if n.state == pending {
		key = 0 // the same code again is news when it is active
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || n.state == active && key == r.last {
		return
	}
	r.last, r.over = key, n.state == terminated
	r.queue = append(r.queue, n)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reports) take() (report, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return report{}, false
	}
	n := r.queue[0]
	r.queue = r.queue[1:]
	return n, true
}

// maxReportTries is how often a report is sent that is answered 500, as one is that was
// overtaken by a later request (RFC 3261 section 12.2.2).
const maxReportTries = 3

// run sends the reports, each when the one before is answered. A peer that refuses one, or
// does not answer, gets no more (RFC 6665 section 4.2.2).
func (r *reports) run(ctx context.Context) {
	defer r.end()
	defer r.begin()
	until := time.Now().Add(referExpires)
	expire := time.NewTimer(referExpires)
	defer expire.Stop()
	for {
		n, ok := r.take()
		if !ok {
			select {
			case <-r.wake:
			case <-expire.C:
				r.add(report{code: sip.StatusTrying, state: terminated, why: "timeout"})
			case <-ctx.Done():
				return
			}
			continue
		}
		res, err := r.send(ctx, n, until)
		for try := 1; try < maxReportTries && err == nil && res.StatusCode == sip.StatusInternalServerError; try++ {
			res, err = r.send(ctx, n, until)
		}
		if err == nil && res.StatusCode >= 300 {
			err = responseError(sip.NOTIFY, res)
		}
		if err != nil {
			r.s.c.log.Warn("report on a REFER", "error", err)
		}
		if err != nil || n.state == terminated {
			r.stop()
			return
		}
	}
}

func (r *reports) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
}

// send is one NOTIFY, whose body begins with the status line (RFC 3515 section 2.4.5).
func (r *reports) send(ctx context.Context, n report, until time.Time) (*sipmsg.Response, error) {
	state := n.state
	if n.state == terminated {
		state += ";reason=" + n.why
	} else {
		state += ";expires=" + strconv.Itoa(max(int(time.Until(until)/time.Second), 1))
	}
	ctx = context.WithValue(ctx, saidKey{}, func() {
		r.begin()
		if n.state == terminated {
			r.end()
		}
	})
	body := fmt.Sprintf("SIP/2.0 %d %s\r\n", n.code, sipmsg.Printable(n.reason))
	return r.s.ask(ctx, sip.NOTIFY, nil, func(req *sip.Request, p path) {
		req.AppendHeader(r.s.contact(p))
		req.AppendHeader(sip.NewHeader("Event", r.event))
		req.AppendHeader(sip.NewHeader("Subscription-State", state))
		setBody(req, sipfrag+";version=2.0", []byte(body))
	})
}

// outcomeOf is the status line that tells of a call that failed.
func outcomeOf(err error) (code int, reason string) {
	var r *ResponseError
	switch {
	case errors.As(err, &r):
		return r.Code, r.Reason
	case errors.Is(err, ErrTransactionTimeout): // RFC 3261 section 8.1.3.1
		return sip.StatusRequestTimeout, reasonPhrase(sip.StatusRequestTimeout)
	case errors.Is(err, ErrCanceled):
		return sip.StatusRequestTerminated, reasonPhrase(sip.StatusRequestTerminated)
	}
	return sip.StatusServiceUnavailable, reasonPhrase(sip.StatusServiceUnavailable)
}

// ask sends a request within the dialog; fill adds what is special, numbered, if it is not nil,
// is told of the CSeq of each attempt.
func (s *Session) ask(ctx context.Context, method sip.RequestMethod, numbered func(uint32), fill func(*sip.Request, path)) (*sipmsg.Response, error) {
	req, p, dst, err := s.request(ctx, method)
	if err != nil {
		return nil, err
	}
	p.numbered = numbered
	fill(req, p)
	_, res, err := s.c.exchange(ctx, p, dst, req, s.credentials())
	return res, err
}
