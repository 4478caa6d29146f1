package theory_test

import "testing"

// What the policies of proxies lose, what a call needs that nobody hangs up, and what holds the
// mapping of a phone that registers for a short time.
func TestPoliciesAndTime(t *testing.T) {
	const gaveUp = "ack internet no-route; stays up internet no-route"
	for id, want := range map[string]string{
		// The Contact is private and nothing repairs it: the callee gives up, and the caller hears of that.
		"long-call/local[a=none,b=full-cone,registrar=received-no-alias,rport=true]":               gaveUp,
		"long-call/local[a=none,b=full-cone,registrar=received-no-alias,rport=true,hangup=callee]": gaveUp,
		// Nor does the callee's BYE reach a caller with a private Contact.
		"long-call/local[a=full-cone,b=full-cone,registrar=received-no-alias,rport=true]": gaveUp + "; bye internet no-route",
		"long-call/local[a=full-cone,b=full-cone,registrar=received,rport=true]":          "",
		"long-call/stun[a=full-cone,b=full-cone,registrar=received-no-alias,rport=true]":  "",
		// A proxy that takes the port of the Contact needs a NAT that keeps it.
		"register/local[a=symmetric,registrar=ip-only,rport=true]":        "invite nat-a no-mapping",
		"register/local[a=linux-masquerade,registrar=ip-only,rport=true]": "",
		// Calls from another address than the phone registered with pass no filter that has a say.
		"register/local[a=full-cone,registrar=another-source,rport=true]":          "",
		"register/local[a=address-restricted,registrar=another-source,rport=true]": "invite nat-a filtered",
		"register/local[a=apdm-eif,registrar=another-source,rport=true]":           "",
		// The first copy of everything is lost, and nothing else.
		"call/local[a=symmetric,b=none,registrar=received,rport=true,loss=first]":      "rtp b>a internet no-route; rtcp b>a internet no-route",
		"register/local[a=full-cone,registrar=received,rport=true,loss=first]":         "",
		"long-call/local[a=full-cone,b=none,registrar=received,rport=true,loss=first]": "",
		// Refreshes every 22 to 30 s hold a mapping of 30 s or more, and those every 300 s or more do not.
		"register-refresh/local[a=linux-masquerade,registrar=received,rport=true,idle=20m]":           "",
		"register-refresh/local[a=port-restricted,registrar=received,rport=true,idle=20m]":            "",
		"idle-then-called/local[a=port-restricted,registrar=received,rport=true,idle=20m]":            "invite nat-a expired",
		"register-refresh/local[a=port-restricted,registrar=received,rport=true,idle=8m,expires=10m]": "invite nat-a expired",
		"register-refresh/local[a=port-restricted,registrar=received,rport=true,idle=8m,expires=2m]":  "",
		// Without an answer to it a registration is not refreshed, and it ends.
		"register-refresh/local[a=symmetric,registrar=received,idle=8m]": "register response a nat-a no-mapping; invite proxy refused",
	} {
		checkLosses(t, id, nil, want)
	}
}
