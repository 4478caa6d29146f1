package torture_test

import (
	"testing"

	"github.com/natproof/natproof/internal/torture"
)

func TestMeets(t *testing.T) {
	ok := torture.Answer{Code: 200, Reason: "OK", Response: "SIP/2.0 200 OK\r\nContact: <sip:a@b>;expires=1\r\ncontact: <sip:c@d>\r\n\r\nAllow: none"}
	for _, x := range []struct {
		answer   torture.Answer
		required []string
		met      bool
	}{
		{ok, []string{"200"}, true},
		{ok, []string{"400", "200"}, true},
		{ok, []string{"20"}, false},
		{ok, []string{"well-formed"}, true},
		{ok, []string{"200 Contact: <sip:a@b>, <sip:c@d>"}, true},
		{ok, []string{"200 Contact: <sip:a@b>, <sip:e@f>"}, false},
		{ok, []string{"200 Allow: none"}, false}, // that is in the body
		{ok, []string{"forwarded", "dropped: unmatched"}, false},
		{torture.Answer{Code: 404}, []string{"well-formed"}, true},
		{torture.Answer{Code: 400}, []string{"well-formed"}, false},
		{torture.Answer{Code: 505}, []string{"well-formed"}, false},
		{torture.Answer{Forwarded: true}, []string{"well-formed"}, true},
		{torture.Answer{Forwarded: true}, []string{"forwarded"}, true},
		{torture.Answer{Dropped: "unmatched"}, []string{"dropped: unmatched"}, true},
		{torture.Answer{Dropped: "unmatched"}, []string{"dropped: malformed"}, false},
		{torture.Answer{}, []string{"dropped: malformed", "dropped: unmatched", "well-formed", "200"}, false},
	} {
		if got := x.answer.Meets(x.required); got != x.met {
			t.Errorf("%v meets %q: %v", x.answer, x.required, got)
		}
	}
}

func TestRequirementsRefused(t *testing.T) {
	for _, text := range []string{"name", "\tsays: x", "a b\n\tsay: x", "a b\n\tregistrar: 99", "a b\n\tendpoint: 200 or", "a b\n\tendpoint: 200 Contact"} {
		if list, err := torture.ParseRequirements(text); err == nil {
			t.Errorf("%q is %+v", text, list)
		}
	}
}
