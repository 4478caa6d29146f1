package ua

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

func learning(c *Config) { c.Rport, c.LearnContact = true, true }

// contactEvents lists what was learned, as text.
func (a *agent) contactEvents() string {
	var list []string
	for _, e := range a.events() {
		c, ok := e.(ContactEvent)
		if !ok {
			continue
		}
		text := fmt.Sprintf("%s>%s", c.Old, c.New)
		if !c.Learned {
			text += " no"
		}
		if c.Err != nil {
			text += " doubt"
		}
		if c.Over {
			text += " over"
		}
		if c.Err != nil && !errors.Is(c.Err, ErrContact) {
			a.t.Errorf("error %v", c.Err)
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// contacts are those of the REGISTERs that arrived, without what all have in common.
func (p *proxy) registeredContacts() string {
	var list []string
	for _, r := range p.seenRegisters() {
		var one []string
		for _, h := range r.GetHeaders("contact") {
			v := strings.NewReplacer("<sip:alice@", "", ">;expires=", "/").Replace(h.Value())
			one = append(one, v)
		}
		list = append(list, strings.Join(one, " "))
	}
	return strings.Join(list, ", ")
}

// Behind a NAT and with no port manager that knows it, the registrar's word makes the phone
// reachable, also when the NAT forgets.
func TestLearnContact(t *testing.T) {
	for name, c := range map[string]struct {
		password string
		want     string // contacts of the REGISTERs
	}{
		"from the 200": {"", "10.0.0.1:5060/3600, 198.51.100.1:61001/3600 10.0.0.1:5060/0"},
		"from the 401": {"secret", "10.0.0.1:5060/3600, 198.51.100.1:61001/3600 10.0.0.1:5060/0"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				nat := n.addNAT("10.0.0.0/24", "198.51.100.1")
				p := newProxy(t, n, proxyAt)
				p.password = c.password
				a, b := newAgent(t, n, "10.0.0.1:5060", learning), newAgent(t, n, "192.0.2.9:5060")
				a.onIncoming = answerNow
				alice, bob := a.profile(t, "alice", p, func(c *ProfileConfig) {
					c.KeepAlive = KeepAlive{Kind: KeepAliveOPTIONS, Interval: 20 * time.Second}
				}), b.profile(t, "bob", p)
				check(t, alice.Enable(t.Context()))
				equal(t, "contacts", p.registeredContacts(), c.want)
				equal(t, "events", a.contactEvents(), "10.0.0.1:5060>198.51.100.1:61001")
				equal(t, "states", a.registrations(), "registering, registered")
				check(t, bob.Enable(t.Context()))
				s, err := b.call(t, bob, "sip:alice@example.com", nil)
				check(t, err)
				invite200 := n.packets(func(d datagram) bool {
					return d.src == a.Addr() && strings.HasPrefix(string(d.data), "SIP/2.0 200") && strings.Contains(string(d.data), "INVITE")
				})
				equal(t, "Contact in the call", strings.Contains(string(invite200[0].data), "<sip:alice@198.51.100.1:61001>"), true)
				equal(t, "its description", strings.Contains(string(invite200[0].data), "c=IN IP4 10.0.0.1"), true)
				equal(t, "the Via of REGISTER", p.seenRegisters()[1].Via().SentBy(), "10.0.0.1:5060")
				check(t, s.Hangup(t.Context()))

				n.flush(nat)
				time.Sleep(25 * time.Second)
				equal(t, "contact", p.contact("alice"), "sip:alice@198.51.100.1:61004")
				_, err = b.call(t, bob, "sip:alice@example.com", nil)
				check(t, err)
				equal(t, "events", a.contactEvents(), "10.0.0.1:5060>198.51.100.1:61001; 198.51.100.1:61001>198.51.100.1:61004")
				equal(t, "counted", a.Stats().ContactsLearned, 2)
				check(t, alice.Disable(t.Context()))
				equal(t, "contact after", p.contact("alice"), "")
			})
		})
	}
}

// Whoever rewrites responses cannot make the phone register without end.
func TestLearnContactEnds(t *testing.T) {
	for name, c := range map[string]struct {
		seen   []string // as the 200s have it, the last one for ever
		events string
		last   string // contact
		count  int    // REGISTERs of Enable
	}{
		"nothing seen": {[]string{""}, "", "198.51.100.9:6000", 1},
		"the same":     {[]string{"198.51.100.9:6000"}, "", "198.51.100.9:6000", 1},
		"another once": {
			[]string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:2"},
			"198.51.100.9:6000>198.51.100.1:1; 198.51.100.1:1>198.51.100.1:2 doubt", "198.51.100.1:2", 3,
		},
		"another each time": {
			[]string{"198.51.100.1:1", "198.51.100.1:2", "198.51.100.1:3", "198.51.100.1:4"},
			"198.51.100.9:6000>198.51.100.1:1; 198.51.100.1:1>198.51.100.1:2 doubt; 198.51.100.1:2>198.51.100.1:3 no doubt over", "198.51.100.1:2", 3,
		},
		"the inside": {
			[]string{"10.0.0.1:5060"},
			"198.51.100.9:6000>10.0.0.1:5060 no doubt; 198.51.100.9:6000>10.0.0.1:5060 no doubt over", "198.51.100.9:6000", 1,
		},
		"the inside of a carrier's": {
			[]string{"100.64.0.1:5060"},
			"198.51.100.9:6000>100.64.0.1:5060 no doubt; 198.51.100.9:6000>100.64.0.1:5060 no doubt over", "198.51.100.9:6000", 1,
		},
		"to and fro": {
			[]string{"198.51.100.1:1", "10.0.0.1:5060", "198.51.100.1:2"},
			"198.51.100.9:6000>198.51.100.1:1; 198.51.100.1:1>10.0.0.1:5060 no doubt; 198.51.100.1:1>198.51.100.1:2 no doubt over",
			"198.51.100.1:1", 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				r := newPeer(t, n, "203.0.113.30:5060")
				a := newAgent(t, n, "192.0.2.1:5060", learning)
				alice := must(a.NewProfile(ProfileConfig{Account: Account{URI: "sip:alice@example.com"}, Registrar: r.at}))(t)
				check(t, alice.SetPortManager(must(NewStatic(StaticMapping{SIP, a.Addr(), addr("198.51.100.9:6000")}))(t)))
				var last *sip.Request
				count := 0
				go func() {
					buf := make([]byte, 1500)
					for {
						size, from, err := r.ReadFrom(buf)
						if err != nil {
							return
						}
						src := sipmsg.AddrPort(from)
						req := must(sip.ParseMessage(buf[:size]))(t).(*sip.Request)
						last = req
						seen := c.seen[min(count, len(c.seen)-1)]
						count++
						req.Via().Params.Remove("rport")
						if host, port, ok := strings.Cut(seen, ":"); ok {
							req.Via().Params.Add("received", host)
							req.Via().Params.Add("rport", port)
						}
						r.send(sip.NewResponseFromRequest(req, 200, "OK", nil), src.String())
					}
				}()
				check(t, alice.Enable(t.Context()))
				synctest.Wait()
				equal(t, "REGISTERs", count, c.count)
				time.Sleep(24 * time.Hour)
				equal(t, "events", a.contactEvents(), c.events)
				equal(t, "contact", last.Contact().Value(), "<sip:alice@"+c.last+">;expires=3600")
				equal(t, "doubts", a.Stats().ContactsDoubted, uint64(strings.Count(c.events, "doubt")))
				if count > 24*60*60/3000+3 {
					t.Errorf("%d REGISTERs in a day", count)
				}
				r.Close()
			})
		})
	}
}

func TestLearnContactNeedsRport(t *testing.T) {
	_, err := New(Config{LocalAddr: addr("10.0.0.1:1").Addr(), Options: Options{LearnContact: true}})
	if !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}
