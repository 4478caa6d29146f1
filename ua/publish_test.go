package ua

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// published says what a PUBLISH is.
func published(req *sip.Request) string {
	match := ""
	if h := req.GetHeader("SIP-If-Match"); h != nil {
		match = h.Value()
	}
	return fmt.Sprintf("%d %s %q %s", req.CSeq().SeqNo, match, req.Body(), req.GetHeader("Expires").Value())
}

func (p *notifier) tagged(req *sip.Request, etag string) {
	p.reply(req, 200, "t", sip.NewHeader("SIP-ETag", etag), sip.NewHeader("Expires", req.GetHeader("Expires").Value()))
}

// The operations of RFC 3903 section 4.1, table 1.
func TestPublish(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, alice, p := subscriber(t, n)
		rec := NewRecorder(Local{})
		check(t, alice.SetPortManager(rec))
		type result struct {
			u   *Publication
			err error
		}
		c := make(chan result)
		go func() {
			u, err := alice.Publish(context.Background(), PublishConfig{Event: "presence", ContentType: "text/plain", Body: []byte("here"), Expires: 100 * time.Second})
			c <- result{u, err}
		}()
		req := p.request(sip.PUBLISH)
		equal(t, "Request-URI", req.Recipient.String(), "sip:alice@example.com")
		equal(t, "first", published(req), `1  "here" 100`)
		p.reply(req, 423, "t", sip.NewHeader("Min-Expires", "600"))
		req = p.request(sip.PUBLISH)
		equal(t, "longer", published(req), `2  "here" 600`)
		p.tagged(req, "one")
		r := <-c
		check(t, r.err)
		equal(t, "ETag", r.u.ETag(), "one")

		req = p.request200(sip.PUBLISH)
		equal(t, "refresh", published(req), `3 one "" 600`)
		p.tagged(req, "two")

		errs := make(chan error)
		go func() { errs <- r.u.Modify(context.Background(), "text/plain", []byte("away")) }()
		req = p.request(sip.PUBLISH)
		equal(t, "modify", published(req), `4 two "away" 600`)
		p.tagged(req, "three")
		check(t, <-errs)

		req = p.request200(sip.PUBLISH) // the compositor has lost it
		equal(t, "refresh", published(req), `5 three "" 600`)
		p.reply(req, 412, "t")
		req = p.request(sip.PUBLISH)
		equal(t, "anew", published(req), `6  "away" 600`)
		p.tagged(req, "four")

		req = p.request200(sip.PUBLISH) // trouble
		p.reply(req, 503, "t", sip.NewHeader("Retry-After", "100"))
		at := time.Now()
		req = p.request200(sip.PUBLISH)
		if d := time.Since(at); d < 99*time.Second || d > 102*time.Second {
			t.Errorf("again after %v", d)
		}
		p.tagged(req, "five")

		go func() { errs <- r.u.Remove(context.Background()) }()
		req = p.request(sip.PUBLISH)
		equal(t, "remove", published(req), `9 five "" 0`)
		p.reply(req, 200, "t", sip.NewHeader("Expires", "0"))
		check(t, <-errs)
		if err := r.u.Remove(t.Context()); !errors.Is(err, ErrState) {
			t.Errorf("Remove again: %v", err)
		}
		var list []string
		for _, e := range a.events() {
			if e, ok := e.(PublicationEvent); ok {
				list = append(list, fmt.Sprint(e.Published, e.ETag, e.Code))
			}
		}
		equal(t, "events", strings.Join(list, ", "), "trueone200, truetwo200, truethree200, truefour200, false503, truefive200, false0")
		equal(t, "mappings", len(rec.Calls())%2, 0)
	})
}

func TestPublishRefused(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		a, alice, p := subscriber(t, n)
		good := PublishConfig{Event: "presence", ContentType: "text/plain", Body: []byte("here")}
		for _, cfg := range []PublishConfig{{}, {Event: "presence"}, {Event: "a b", ContentType: "a/b", Body: []byte("x")}, {Event: "presence", ContentType: "text/plain", Body: []byte("x"), Expires: 1},
			{Event: "presence", ContentType: "text/plain", Body: []byte("x"), Target: "nobody"}} {
			if _, err := alice.Publish(t.Context(), cfg); !errors.Is(err, ErrConfig) {
				t.Errorf("%+v: %v", cfg, err)
			}
		}
		errs := make(chan error, 1)
		publish := func() { _, err := alice.Publish(context.Background(), good); errs <- err }
		go publish()
		p.reply(p.request(sip.PUBLISH), 489, "t")
		var re *ResponseError
		if err := <-errs; !errors.As(err, &re) || re.Code != 489 {
			t.Errorf("got %v", err)
		}
		go publish()
		p.reply(p.request(sip.PUBLISH), 200, "t")
		if err := <-errs; err == nil || !strings.Contains(err.Error(), "SIP-ETag") {
			t.Errorf("got %v", err)
		}
		go publish()
		p.tagged(p.request(sip.PUBLISH), "one")
		check(t, <-errs)
		go a.Shutdown(context.Background())
		equal(t, "at the end", published(p.request(sip.PUBLISH)), `2 one "" 0`)
		check(t, a.Close())
	})
}

func TestOptionsPing(t *testing.T) {
	bubble(t, func(t *testing.T, n *memnet) {
		b := watched(t, n)
		a, alice := watcher(t, n)
		rec := NewRecorder(Local{})
		check(t, alice.SetPortManager(rec))
		for _, ask := range []func(context.Context, string) (*Capabilities, error){a.Options, alice.Options} {
			c := must(ask(t.Context(), "sip:bob@10.0.0.2"))(t)
			equal(t, "answer", fmt.Sprintln(c.Code, c.Reason, c.Allow, c.Accept, c.Events, c.Source),
				"200 OK [INVITE ACK CANCEL BYE OPTIONS MESSAGE SUBSCRIBE] [application/sdp] [presence] 10.0.0.2:5060\n")
		}
		equal(t, "asked", len(rec.Calls()), 2)
		check(t, b.Close())
		if _, err := a.Options(t.Context(), "sip:bob@10.0.0.2"); !errors.Is(err, ErrTransactionTimeout) {
			t.Errorf("got %v", err)
		}
		if _, err := a.Options(t.Context(), "sip:bob@example.com"); !errors.Is(err, ErrUnresolvable) {
			t.Errorf("got %v", err)
		}
		if _, err := a.Options(t.Context(), "bob"); err == nil {
			t.Error("asked nobody")
		}
	})
}
