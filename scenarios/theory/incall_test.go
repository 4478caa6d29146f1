package theory_test

import "testing"

// What becomes of a call when the NAT in front of a changes in the midst of it.
func TestChangesInACall(t *testing.T) {
	const (
		restart  = ",change=restart,when=in-call]"
		renumber = ",change=renumber,when=in-call]"
	)
	for id, want := range map[string]string{
		// A NAT that keeps ports has the same mapping again with the next packet of a, though nobody but a
		// can make it: a call that only b talks in is lost.
		"call/stun[a=port-restricted,b=none,registrar=received,rport=true" + restart:          "",
		"call/stun[a=port-restricted,b=none,registrar=received,rport=true,silent=a" + restart: "rtp b>a nat-a flushed",
		// One that does not is the end of it, in both directions if b has a filter.
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,latch=b" + restart:                           "",
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,latch=b,latch-policy=once" + restart:         "rtp b>a nat-a flushed; rtcp b>a nat-a flushed",
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,latch=b,latch-policy=window" + restart:       "rtp b>a nat-a flushed; rtcp b>a nat-a flushed",
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,latch=b,latch-policy=same-address" + restart: "",
		// Another address: b follows if it latches, and if its own NAT lets a in from there.
		"call/stun[a=full-cone,b=none,registrar=received,rport=true" + renumber:                                          "rtp b>a internet no-route; rtcp b>a internet no-route",
		"call/stun[a=full-cone,b=none,registrar=received,rport=true,latch=b" + renumber:                                  "",
		"call/stun[a=full-cone,b=none,registrar=received,rport=true,latch=b,latch-policy=same-address" + renumber:        "rtp b>a internet no-route; rtcp b>a internet no-route",
		"call/stun[a=full-cone,b=address-restricted,registrar=received,rport=true,latch=both" + renumber:                 "rtp a>b nat-b filtered; rtp b>a internet no-route; rtcp a>b nat-b filtered; rtcp b>a internet no-route",
		"call/static[a=full-cone,b=none,registrar=received,rport=true" + renumber:                                        "rtp b>a internet no-route; rtcp b>a internet no-route",
		"call/stun[a=full-cone,b=none,registrar=received,rport=true,latch=b,change=renumber,when=in-call,hangup=callee]": "bye internet no-route",
		// The BYE of b does not reach a, which has sent nothing by SIP since; but where a keeps its port its
		// next question to the STUN server makes the mapping again, and a copy of the BYE gets through.
		"call/stun[a=symmetric,b=none,registrar=received,rport=true,latch=b,change=restart,when=in-call,hangup=callee]":  "bye nat-a flushed",
		"call/stun[a=full-cone,b=none,rport=true,change=restart,when=in-call,hangup=callee]":                             "",
		"call/local[a=full-cone,b=none,registrar=received,rport=true,latch=b,change=restart,when=in-call,hangup=callee]": "bye nat-a flushed",
		// Before the call nothing of media is lost: a can call at once, and be called once it has sent again.
		"call/stun[a=full-cone,b=none,registrar=received,rport=true,change=restart]":            "",
		"called/stun[a=full-cone,b=none,registrar=received,rport=true,change=restart]":          "",
		"called/local[a=full-cone,b=none,registrar=received,rport=true,latch=b,change=restart]": "invite nat-a flushed",
		// A re-INVITE with what was announced before opens the signalling, and one that asks anew also media.
		"hold-resume/stun[a=full-cone,b=none,registrar=received,rport=true" + renumber:                                          "rtp b>a internet no-route; rtcp b>a internet no-route",
		"renew/stun[a=full-cone,b=none,registrar=received,rport=true" + renumber:                                                "",
		"renew/stun[a=full-cone,b=port-restricted,registrar=received,rport=true,change=renumber,when=in-call,hangup=callee]":    "",
		"renew/stun[a=symmetric,b=none,registrar=received,rport=true" + restart:                                                 "rtp b>a nat-a filtered; rtcp b>a nat-a filtered",
		"hold-resume/stun[a=symmetric,b=none,registrar=received,rport=true,latch=b,latch-policy=once,change=restart,when=idle]": "",
	} {
		checkLosses(t, id, nil, want)
	}
}

// What a stranger can do to a call that knows where a wants its media.
func TestLatchAttack(t *testing.T) {
	const taken = "rtp kept from stranger stranger elsewhere"
	for id, want := range map[string]string{
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true]":                                   "",
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a]":                           taken,
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,latch-policy=once]":         "",
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,latch-policy=window]":       "",
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,latch-policy=same-address]": "",
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,strict=a]":                  "",
		"latch-attack/stun[a=port-restricted,b=none,registrar=received,rport=true,latch=a]":                     "stranger's rtp nat-a filtered",
		"latch-attack/local[a=full-cone,b=none,registrar=received,rport=true,latch=both]":                       "stranger's rtp internet no-route",
		"latch-attack/static[a=symmetric,b=none,registrar=received,rport=true,latch=a]":                         taken,
		// Who never hears the peer takes the stranger for it, and keeps to it.
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,silent=b]":                     taken + "; rtp a>b stranger elsewhere",
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,latch-policy=once,silent=b]":   taken + "; rtp a>b stranger elsewhere",
		"latch-attack/stun[a=full-cone,b=none,registrar=received,rport=true,latch=a,latch-policy=window,silent=b]": "",
	} {
		checkLosses(t, id, nil, want)
	}
}
