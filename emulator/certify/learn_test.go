package certify_test

import (
	"testing"

	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/examples/plain"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

func learn(t *testing.T, phone stage.Phone) certify.Learned {
	t.Helper()
	l, err := certify.Learn(t.Context(), phone, certify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func show(t *testing.T, l certify.Learned) {
	t.Helper()
	for _, f := range l.Findings {
		t.Logf("%-40s %-12s %v %s assumed %q beyond %q", f.Trait, f.Value, f.Seen, f.Why, f.Assumed, f.Beyond)
	}
	t.Logf("%+v %v %v", l.Traits, l.Axes, l.Cannot)
}

// What is learned of the plain phone is what it declares.
func TestLearnPlain(t *testing.T) {
	l := learn(t, plain.Phone)
	if want := (theory.Traits{Address: theory.Bound}); l.Traits != want {
		show(t, l)
		t.Errorf("%+v, want %+v", l.Traits, want)
	}
}

// What is learned of the user agent is what it declares, whichever setting is another.
func TestLearnUA(t *testing.T) {
	base := cell.Default(flows.Call, cell.NoNAT, cell.NoNAT)
	base.PortManager = cell.ManagerLocal
	for _, settings := range []map[string]string{
		{}, {"rport": "true"}, {"port-manager": "stun"}, {"port-manager": "static"},
		{"latch": "a"}, {"latch": "a", "latch-policy": "once"}, {"latch": "a", "latch-policy": "window"}, {"latch": "a", "latch-policy": "same-address"},
		{"strict": "a"}, {"silent": "a"}, {"alg": "linux"},
		{"keepalive": "crlf"}, {"keepalive": "zero", "interval": "8s"}, {"keepalive": "stun"}, {"keepalive": "options", "interval": "2m"},
		{"port-manager": "stun", "rport": "true", "latch": "a", "keepalive": "stun"},
	} {
		c := base
		for key, value := range settings {
			var err error
			if c, err = cell.Lookup(key).With(c, value); err != nil {
				t.Fatal(err)
			}
		}
		l := learn(t, certify.UA(c))
		want, err := stage.UA.Traits(c, cell.A)
		if err != nil {
			t.Fatal(err)
		}
		if want.Silent { // of who sends no media it cannot be known when it would
			want.HearsEarly = false
		}
		if l.Traits != want {
			show(t, l)
			t.Errorf("%v: %+v, want %+v", settings, l.Traits, want)
		}
		for _, key := range []string{"keepalive", "interval", "port-manager", "rport"} {
			if got, ok := l.Axes[key]; ok && got != cell.Lookup(key).Get(c) {
				show(t, l)
				t.Errorf("%v: %s is %q", settings, key, got)
			}
		}
	}
}
