package flows_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// Where b and c talk it makes no difference what a does about media.
func TestMediaOfAThirdEnd(t *testing.T) {
	for _, f := range []*flows.Flow{flows.BlindTransfer, flows.AttendedTransfer} {
		c := cell.Default(f, cell.NoNAT, cell.NoNAT)
		d := c
		d.Latch, d.Strict, d.Silent = cell.SideA, cell.SideA, cell.SideA
		if d.Canonical() != c {
			t.Errorf("%s is another cell than %s", d, c)
		}
	}
}

// What surprises, in words: what does not arrive in a cell, of all that is sent.
func TestOutcomesInWords(t *testing.T) {
	for _, x := range []struct{ says, id, lost string }{
		{"a that cannot be told of it hands its call on all the same, and hangs up when its patience ends",
			"blind-transfer/local[a=port-restricted,b=none,registrar=contact,rport=true]",
			"notify trying: no-route at internet"},
		{"who is called by a NAT that hides it cannot call: the 200 of c is lost, and a hears of a failure",
			"blind-transfer/local[a=none,b=symmetric,registrar=received,rport=false]",
			"register response b: no-mapping at nat-b, transfer final response: no-mapping at nat-b"},
		{"a whose NAT no call would get through to is out of the way: b and c talk",
			"blind-transfer/stun[a=symmetric,b=port-restricted,registrar=received,rport=true]", ""},
		{"and what b could not do with a it cannot do with c: be heard where it says it is",
			"blind-transfer/stun[a=none,b=symmetric,registrar=received,rport=true]",
			"rtp c>b: filtered at nat-b, rtcp c>b: filtered at nat-b"},
		{"c cannot end the call that is replaced, but is called in its place",
			"attended-transfer/local[a=port-restricted,b=none,registrar=contact,rport=true]",
			"notify trying: no-route at internet, replaced bye: no-route at internet"},
		{"a caller that sends nothing hears no tone, nor later the callee",
			"early-media/stun[a=port-restricted,b=none,registrar=received,rport=true,silent=a]",
			"early rtp b>a: filtered at nat-a, rtp b>a: filtered at nat-a"},
		{"a caller that sends hears it",
			"early-media/stun[a=port-restricted,b=none,registrar=received,rport=true]", ""},
		{"where the 183 is lost it does not know where to send, and its NAT admits nobody else",
			"early-media/stun[a=symmetric,b=none,registrar=received,rport=false]",
			"register response a: filtered at nat-a, progress: filtered at nat-a, early rtp b>a: filtered at nat-a, final response: filtered at nat-a"},
		{"a mapping of 15 s is gone when the session is refreshed: who waits for that hangs up, and its BYE gets through",
			"session-timer/local[a=none,b=realtek-cpe,registrar=received,rport=true]",
			"session refresh: expired at nat-b, session stays up: expired at nat-b"},
		{"unless who is behind it refreshes",
			"session-timer/local[a=none,b=realtek-cpe,registrar=received,rport=true,refresher=callee]", ""},
		{"or holds it by keepalives",
			"session-timer/local[a=none,b=realtek-cpe,registrar=received,rport=true,keepalive=crlf,interval=8s]", ""},
		{"a private Contact does not harm who refreshes",
			"session-timer/local[a=full-cone,b=none,registrar=contact,rport=true]", ""},
		{"but who has to be refreshed",
			"session-timer/local[a=full-cone,b=none,registrar=contact,rport=true,refresher=callee,refresh-by=update]",
			"session refresh: no-route at internet, session stays up: no-route at internet"},
		{"a NAT that restarts is told of the call again by the refresh of who is behind it",
			"session-timer/local[a=full-cone,b=none,registrar=received,rport=true,change=restart,when=in-call,hangup=callee]", ""},
		{"and lets none of the other in",
			"session-timer/local[a=symmetric,b=none,registrar=received,rport=true,change=restart,when=in-call,refresher=callee]",
			"session refresh: flushed at nat-a, session stays up: flushed at nat-a"},
		{"a NAT that restarts while it rings hides the caller from the 200",
			"call/local[a=symmetric,b=none,registrar=received,rport=true,latch=b,change=restart,when=ringing]",
			"final response: flushed at nat-a"},
		{"unless it keeps ports, and the caller asks a STUN server again before the last copy of the 200",
			"call/stun[a=full-cone,b=none,registrar=received,rport=true,change=restart,when=ringing]", ""},
		{"who is called has only to answer, and asks for its addresses of media only then",
			"called/stun[a=port-restricted,b=none,registrar=received,rport=true,change=restart,when=ringing]", ""},
		{"a session is good from the first 200 on: if a late copy of it is the one that arrives, it is given up before its refresh is due",
			"session-timer/stun[a=full-cone,b=none,registrar=received,rport=true,change=restart,when=ringing]",
			"session stays up: not-sent at a"},
	} {
		c, err := scenarios.ParseID(x.id)
		if err != nil {
			t.Fatal(err)
		}
		o, err := scenarios.Predict(c, nil)
		if err != nil {
			t.Errorf("%s: %v", x.id, err)
		}
		var lost []string
		for _, s := range o.Losses() {
			lost = append(lost, fmt.Sprintf("%s: %s at %s", s.Step, s.Cause.Rule, s.Cause.Box))
		}
		if got := strings.Join(lost, ", "); got != x.lost {
			t.Errorf("%s\n%s\nis lost: %q\nwant:    %q", x.says, x.id, got, x.lost)
		}
	}
}
