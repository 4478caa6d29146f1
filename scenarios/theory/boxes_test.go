package theory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

// What a SIP ALG repairs and what it breaks, cell by cell: the losses that theory predicts,
// as "step box rule". The same cells are played in suites.
func TestALG(t *testing.T) {
	const lostToALG = "register response a a foreign-via; final response a foreign-via"
	for id, want := range map[string]string{
		// A client that knows nothing of NATs, with the plain RFC 3261: the ALG does it all.
		"call/local[a=symmetric,b=symmetric]":            "register response a nat-a no-mapping; register response b nat-b no-mapping; invite internet no-route",
		"call/local[a=symmetric,b=symmetric,alg=full]":   "",
		"call/local[a=symmetric,b=symmetric,alg=double]": "",
		// Linux expects media from the proxy alone and leaves a=rtcp private.
		"call/local[a=port-restricted,b=port-restricted,alg=linux]": "rtcp a>b internet no-route; rtcp b>a internet no-route",
		"call/local[a=symmetric,b=none,alg=linux]":                  "rtp b>a nat-a filtered; rtcp b>a internet no-route",
		// A client that learned its public address has its Via made private on the way back.
		"pc-to-phone/stun[a=full-cone]":                                                "",
		"pc-to-phone/stun[a=full-cone,alg=full]":                                       lostToALG,
		"pc-to-phone/stun[a=full-cone,alg=linux,registrar=received]":                   lostToALG,
		"pc-to-phone/static[a=symmetric,alg=full]":                                     lostToALG,
		"pc-to-phone/stun[a=symmetric,alg=full,rport=true]":                            "rtp b>a nat-a filtered; rtcp b>a nat-a filtered",
		"pc-to-phone/stun[a=symmetric,alg=double,rport=true]":                          lostToALG,
		"register/stun[a=symmetric,alg=double]":                                        "register response a a no-socket; invite a no-socket",
		"pc-to-phone/stun[a=none,alg=double]":                                          "",
		"call/local[a=none,b=full-cone,alg=stale-length]":                              "final response proxy malformed",
		"call/local[a=full-cone,b=none,alg=stale-length]":                              "",
		"call/stun[a=none,b=symmetric,alg=stale-length,registrar=received,rport=true]": "rtp a>b nat-b filtered; rtcp a>b nat-b filtered",
	} {
		checkLosses(t, id, nil, want)
	}
}

// An end that does not name its RTCP port is taken to have the one above that of RTP (RFC 3550
// §11), which an ALG does not open, unless it is the helper of Linux in its own box.
func TestALGWithoutNamedRTCP(t *testing.T) {
	plain := stage.Phone{Name: "plain", Traits: stage.Unaided, New: stage.UA.New}
	both, a, b := stage.Phones{cell.A: plain, cell.B: plain}, stage.Phones{cell.A: plain}, stage.Phones{cell.B: plain}
	for _, x := range []struct {
		id     string
		phones stage.Phones
		want   string
	}{
		{"pc-to-phone/local[a=full-cone,alg=full]", a, ""},
		{"pc-to-phone/local[a=port-restricted,alg=full]", a, ""},                    // it kept the number
		{"pc-to-phone/local[a=symmetric,alg=full]", a, "rtcp b>a nat-a no-mapping"}, // it did not
		{"call/local[a=port-restricted,b=symmetric,alg=full]", b, "rtcp a>b nat-b no-mapping"},
		{"call/local[a=port-restricted,b=symmetric,alg=full]", a, ""}, // b names its port
		{"call/local[a=port-restricted,b=symmetric,alg=full]", both, "rtcp a>b nat-b no-mapping; rtcp b>a nat-a filtered"},
		{"call/local[a=port-restricted,b=symmetric,alg=full]", nil, ""},
		{"call/local[a=linux-masquerade,b=linux-masquerade,alg=linux]", both, ""},
		{"call/local[a=linux-masquerade,b=linux-masquerade,alg=linux]", a, "rtcp a>b internet no-route; rtcp b>a nat-a filtered"},
		{"pc-to-phone/local[a=port-restricted,alg=linux]", a, ""},
		{"pc-to-phone/local[a=port-restricted,alg=linux]", nil, "rtcp b>a internet no-route"},
	} {
		checkLosses(t, x.id, x.phones, x.want)
	}
}

// Of a message cut in the middle of a line there is no theory.
func TestALGNotCovered(t *testing.T) {
	c, err := scenarios.ParseID("call/local[a=symmetric,b=none,alg=stale-length]")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scenarios.Predict(c, nil); !errors.Is(err, theory.ErrNotCovered) {
		t.Errorf("got %v", err)
	}
}

// The caller's box keeps an entry of its own for what comes unasked: the callee's packets
// come first, and the caller's leave from another port than the announced one.
func TestPeerFirst(t *testing.T) {
	for id, want := range map[string]string{
		"call/stun[a=linux-masquerade,b=none]":                          "",
		"call/stun[a=docker,b=none]":                                    "rtp b>a nat-a no-mapping; rtcp b>a nat-a no-mapping",
		"call/stun[a=docker,b=port-restricted]":                         "rtp a>b nat-b filtered; rtp b>a nat-a no-mapping; rtcp a>b nat-b filtered; rtcp b>a nat-a no-mapping",
		"call/stun[a=docker,b=none,latch=b]":                            "",
		"call/stun[a=docker,b=none,strict=b]":                           "rtp a>b b strict-source; rtp b>a nat-a no-mapping; rtcp a>b b strict-source; rtcp b>a nat-a no-mapping",
		"call/stun[a=docker,b=none,silent=b]":                           "rtcp b>a nat-a no-mapping",
		"call/stun[a=none,b=docker]":                                    "",
		"call/stun[a=none,b=docker,silent=b]":                           "rtp a>b nat-b no-mapping",
		"pc-to-phone/stun[a=docker]":                                    "rtp b>a nat-a no-mapping; rtcp b>a nat-a no-mapping",
		"register/stun[a=docker]":                                       "",
		"call/stun[a=docker,b=symmetric,registrar=received,rport=true]": "rtp a>b nat-b filtered; rtp b>a nat-a no-mapping; rtcp a>b nat-b filtered; rtcp b>a nat-a no-mapping",
	} {
		checkLosses(t, id, nil, want)
	}
}

// checkLosses compares the losses that theory predicts with "step box rule; ...".
func checkLosses(t *testing.T, id string, phones stage.Phones, want string) {
	t.Helper()
	c, err := scenarios.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	o, err := scenarios.Predict(c, phones)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	var lost []string
	for _, s := range o.Losses() {
		lost = append(lost, fmt.Sprintf("%s %s %s", s.Step, s.Cause.Box, s.Cause.Rule))
		if s.Cause.Why == "" {
			t.Errorf("%s: %s: lost without a reason in words", id, s.Step)
		}
	}
	if got := strings.Join(lost, "; "); got != want {
		t.Errorf("%s:\ngot  %s\nwant %s", id, got, want)
	}
}
