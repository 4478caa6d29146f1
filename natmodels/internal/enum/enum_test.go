package enum

import "testing"

func TestNearest(t *testing.T) {
	valid := []string{"full-cone", "symmetric", "eim-eif", "eim-adf", "linux-masquerade"}
	for name, want := range map[string]string{
		"ful-cone": "full-cone", "fullcone": "full-cone", "symetric": "symmetric", "symmetirc": "symmetric", "eim-eff": "eim-eif",
		"linux-masquarade": "linux-masquerade", "": "", "cone": "", "x": "", "half-cone": "full-cone",
	} {
		if got := Nearest(name, valid); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestErrorIsShort(t *testing.T) {
	few := &UnknownError{What: "mapping", Name: "eif", Valid: []string{"eim", "adm", "apdm"}}
	if got, want := few.Error(), `unknown mapping "eif" (did you mean eim? valid: eim, adm, apdm)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	many := &UnknownError{What: "NAT", Name: "zzzz", Valid: make([]string, 100)}
	if got, want := many.Error(), `unknown NAT "zzzz"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%q %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
