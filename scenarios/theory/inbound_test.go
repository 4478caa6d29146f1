package theory_test

import (
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// What becomes of requests that come in after a while, by what holds the mapping meanwhile.
func TestRequestsThatComeIn(t *testing.T) {
	for _, x := range []struct {
		what, id string
		step     cell.Step
		want     string // "ok", or the rule that it is lost by, or "not-sent"
		copy     int    // which copy; 0 is not said
	}{
		{"four zero bytes of the registrar hold a mapping that outbound packets refresh alone",
			"idle-then-called/local[a=port-restricted,registrar=received,rport=true,refresh=outbound,idle=20m,ping=zero]", flows.Invite, "expired", 0},
		{"they do not, but do where inbound packets refresh too",
			"idle-then-called/local[a=port-restricted,registrar=received,rport=true,refresh=both,idle=20m,ping=zero]", flows.Invite, "ok", 1},
		{"the answer to OPTIONS is an outbound packet",
			"idle-then-called/local[a=port-restricted,registrar=received,rport=true,refresh=outbound,idle=20m,ping=options]", flows.Invite, "ok", 1},
		{"where inbound packets refresh alone, a keepalive makes it anew, on the port that it keeps",
			"idle-then-called/local[a=port-restricted,registrar=received,rport=true,refresh=inbound,idle=20m,keepalive=crlf]", flows.Invite, "ok", 1},
		{"a mapping that lives for 30 s is gone before the first of every two minutes",
			"idle-then-called/local[a=linux-masquerade,registrar=received,rport=true,idle=5m,ping=options,interval=2m]", flows.Invite, "expired", 0},
		{"a NOTIFY is lost as a call would be",
			"message-waiting/local[a=linux-masquerade,registrar=received,rport=true,idle=20m]", flows.NotifyOfChange, "expired", 0},
		{"and got as one",
			"message-waiting/local[a=linux-masquerade,registrar=received,rport=true,idle=20m,keepalive=crlf]", flows.NotifyOfChange, "ok", 0},
		{"after it the proxy knows of no subscription that could be ended",
			"message-waiting/local[a=linux-masquerade,registrar=received,rport=true,idle=20m]", flows.UnsubscribeResponse, "not-sent", 0},
		{"by a private Contact no NOTIFY gets anywhere, and there is nothing to tell of a change of",
			"message-waiting/local[a=port-restricted,rport=true]", flows.NotifyOfChange, "not-sent", 0},
		{"a text to where the registration came from gets in as long as that lives",
			"message/local[a=port-restricted,b=port-restricted,registrar=received,rport=true,idle=1m]", flows.MessageAToB, "ok", 1},
		{"and not longer, though the one who writes is heard",
			"message/local[a=port-restricted,b=port-restricted,registrar=received,rport=true,idle=20m]", flows.MessageAToB, "expired", 0},
		{"a text in vain is repeated for 32 s, by which its sender can be reached again",
			"message/local[a=port-restricted,b=port-restricted,registrar=received,rport=true,idle=20m]", flows.MessageBToA, "ok", 1},
		{"a NAT that has restarted lets the INVITE in that comes after the keepalive",
			"idle-then-called/local[a=port-restricted,registrar=received,rport=true,idle=10s,keepalive=crlf,change=restart]", flows.Invite, "ok", 6},
	} {
		c, err := scenarios.Space().ReadID(x.id)
		if err != nil {
			t.Fatal(err)
		}
		o, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Errorf("%s: %v", x.id, err)
			continue
		}
		s, _ := o.Step(x.step)
		got := string(s.Fate)
		if s.Fate == cell.Lost {
			got = string(s.Cause.Rule)
		}
		if got != x.want || s.Copy != x.copy {
			t.Errorf("%s: %s: %s is %s, by copy %d; want %s, %d", x.what, x.id, x.step, got, s.Copy, x.want, x.copy)
		}
	}
}
