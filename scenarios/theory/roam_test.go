package theory_test

import "testing"

// What becomes of a phone that leaves one network for another.
func TestRoams(t *testing.T) {
	const today = ",registrar=received,rport=true,change=roam"
	for id, want := range map[string]string{
		// Whoever registers by where it is can be called there, as if it had always been there; and the
		// binding of before, to which a call would be lost, is gone.
		"idle-then-called/stun[a=symmetric" + today + ",elsewhere=symmetric]":                          "",
		"idle-then-called/stun[a=none,change=roam,elsewhere=port-restricted]":                          "",
		"idle-then-called/stun[a=none,change=roam,elsewhere=symmetric]":                                "register response elsewhere nat-elsewhere filtered; invite nat-elsewhere filtered",
		"idle-then-called/local[a=none,change=roam,elsewhere=full-cone]":                               "invite internet no-route",
		"idle-then-called/stun[a=symmetric,change=roam,elsewhere=none]":                                "register response a nat-a filtered",
		"idle-then-called/stun[a=none" + today + ",elsewhere=linux-masquerade,idle=20m]":               "invite nat-elsewhere filtered",
		"called/stun[a=none,b=none" + today + ",elsewhere=symmetric]":                                  "rtp b>a nat-elsewhere filtered; rtcp b>a nat-elsewhere filtered",
		"called/stun[a=none,b=none" + today + ",elsewhere=symmetric,latch=b]":                          "",
		"call/stun[a=none,b=none" + today + ",when=in-call,elsewhere=port-restricted]":                 "",
		"call/stun[a=port-restricted,b=port-restricted" + today + ",when=in-call,elsewhere=symmetric]": "rtp a>b nat-b filtered; rtp b>a nat-elsewhere filtered; rtcp a>b nat-b filtered; rtcp b>a nat-elsewhere filtered",
		// A re-INVITE tells of the new address, so that also who latches once, or to the same address, follows.
		"call/stun[a=full-cone,b=none" + today + ",when=in-call,elsewhere=symmetric,latch=b,latch-policy=once]":           "",
		"called/stun[a=full-cone,b=none" + today + ",when=in-call,elsewhere=symmetric,latch=b,latch-policy=same-address]": "",
		// Where the call was set up by a Contact that a filter does not admit, the re-INVITE is answered in vain.
		"call/stun[a=none,b=none,change=roam,when=in-call,elsewhere=symmetric]": "register response elsewhere nat-elsewhere filtered; roam response nat-elsewhere filtered",
	} {
		checkLosses(t, id, nil, want)
	}
}
