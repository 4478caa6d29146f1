package ua

import (
	"errors"
	"strings"
	"testing"
)

func TestParseReplaces(t *testing.T) {
	for value, want := range map[string]Replaces{
		"98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff": {CallID: "98732@sip.example.com", ToTag: "ff87ff", FromTag: "r33th4x0r"},
		"a ; to-tag = x ; FROM-TAG=0;early-only":                 {CallID: "a", ToTag: "x", FromTag: "0", EarlyOnly: true},
		`a"<b>;to-tag=x;from-tag=y;other="a;b"`:                  {CallID: `a"<b>`, ToTag: "x", FromTag: "y"},
		"a;to-tag=x;from-tag=y;host=[2001:db8::1]":               {CallID: "a", ToTag: "x", FromTag: "y"},
		"a":                                     {},
		"":                                      {},
		";to-tag=x;from-tag=y":                  {},
		"a;to-tag=x":                            {},
		"a;to-tag=x;from-tag=":                  {},
		"a;to-tag=x;from-tag":                   {},
		"a;to-tag=x;to-tag=y;from-tag=z":        {},
		"a;to-tag=x;from-tag=y;early-only=1":    {},
		"a;to-tag=x;from-tag=y;":                {},
		"a;to-tag=x;from-tag=y z":               {},
		"a b;to-tag=x;from-tag=y":               {},
		"a@b@c;to-tag=x;from-tag=y":             {},
		"a;to-tag=x;from-tag=y, b":              {},
		"a;to-tag=x;from-tag=y;o=\"\r\nEvil: 1": {},
	} {
		got, err := ParseReplaces(value)
		if got != want || (err == nil) != (want != Replaces{}) || err != nil && !errors.Is(err, ErrReference) {
			t.Errorf("%q: %+v, %v", value, got, err)
		}
	}
}

func TestParseReferTo(t *testing.T) {
	rep := &Replaces{CallID: "a@b", ToTag: "x", FromTag: "y"}
	for value, want := range map[string]struct {
		uri, method      string
		replaces         *Replaces
		require, ignored string
	}{
		"<sip:bob@example.com>":                                                     {"sip:bob@example.com", "INVITE", nil, "", ""},
		"sip:bob@example.com;x=y":                                                   {"sip:bob@example.com", "INVITE", nil, "", ""},
		"\"Bob\" <sip:bob@example.com;method=SUBSCRIBE>":                            {"sip:bob@example.com", "SUBSCRIBE", nil, "", ""},
		"<sip:a?b@example.com:5070;user=phone>":                                     {"sip:a?b@example.com:5070;user=phone", "INVITE", nil, "", ""},
		"<sip:c@h?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy&Require=replaces>":     {"sip:c@h", "INVITE", rep, "replaces", ""},
		"<sip:c@h?Route=%3Csip:evil%3E&replaces=a%40b%3bto-tag%3dx%3bfrom-tag%3dy>": {"sip:c@h", "INVITE", rep, "", "Route"},
		"<tel:+15551234>":                                                           {"tel:+15551234", "INVITE", nil, "", ""},
		"<sip:c@h?Subject=>":                                                        {"sip:c@h", "INVITE", nil, "", "Subject"},
		"":                                                                          {},
		"bob":                                                                       {},
		"<sip:bob@example.com":                                                      {},
		"sip:c@h?Subject=x":                                                         {}, // needs brackets (RFC 3261 section 20.10)
		"<sip:c@h?>":                                                                {},
		"<sip:c@h?Subject>":                                                         {},
		"<sip:c@h?=x>":                                                              {},
		"<sip:c@h?Subject=x&>":                                                      {},
		"<sip:c@h?Subject=%0d%0aEvil:%201>":                                         {},
		"<sip:c@h?Subject=%4>":                                                      {},
		"<sip:c@h?Subject=%4g>":                                                     {},
		"<sip:c@h?Subject=a;b>":                                                     {},
		"<sip:c@h?Replaces=a%3Bto-tag%3Dx>":                                         {},
		"<sip:c@h?Replaces=a;to-tag=x;from-tag=y>":                                  {},
		"<sip:c@h?Replaces=a%3Bto-tag%3Dx%3Bfrom-tag%3Dy&Replaces=a%3Bto-tag%3Dx%3Bfrom-tag%3Dy>": {},
	} {
		got, err := parseReferTo(value)
		if want.uri == "" {
			if !errors.Is(err, ErrReference) {
				t.Errorf("%q: %+v, %v", value, got, err)
			}
			continue
		}
		if err != nil || got.uri.String() != want.uri || got.method != want.method || strings.Join(got.require, " ") != want.require ||
			strings.Join(got.ignored, " ") != want.ignored || (got.replaces == nil) != (want.replaces == nil) ||
			want.replaces != nil && *got.replaces != *want.replaces {
			t.Errorf("%q: %s %+v %v, %v", value, got.uri.String(), got, got.replaces, err)
		}
	}
}

// What is read is written so that it is read the same again, and nothing in it ends a line.
func FuzzReferTo(f *testing.F) {
	for _, s := range []string{
		"<sip:bob@example.com>", "sip:c@h;method=BYE", "<sip:c@h?Replaces=a%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy%3Bearly-only&Require=replaces>",
		"\"x\" <sip:a?b@[2001:db8::1]:5070;user=phone?Subject=%41>", "<tel:+1>", "<A0:\x00>", "<sip:00::@0>", "<sip:c@h?Subject=%0d%0aEvil:%201>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseReferTo(s)
		if err != nil {
			if !errors.Is(err, ErrReference) {
				t.Fatal(err)
			}
			return
		}
		text := writeReferTo(r.uri, r.replaces)
		if strings.ContainsAny(text, "\r\n\x00") {
			t.Fatalf("%q becomes %q", s, text)
		}
		again, err := parseReferTo(text)
		if err != nil || again.uri.String() != r.uri.String() || (again.replaces == nil) != (r.replaces == nil) || r.replaces != nil && *again.replaces != *r.replaces {
			t.Fatalf("%q becomes %q: %+v, %v", s, text, again, err)
		}
	})
}

func FuzzReplaces(f *testing.F) {
	for _, s := range []string{"a@b;to-tag=x;from-tag=y", "a;FROM-TAG=0 ; to-tag=1;early-only", `a;x="b;c";to-tag=x;from-tag=y`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReplaces(s)
		if err != nil {
			if !errors.Is(err, ErrReference) {
				t.Fatal(err)
			}
			return
		}
		if again, err := ParseReplaces(r.String()); err != nil || again != r {
			t.Fatalf("%q becomes %q: %+v, %v", s, r, again, err)
		}
	})
}
