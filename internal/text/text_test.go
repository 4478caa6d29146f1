package text_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/natproof/natproof/internal/text"
)

func TestRule(t *testing.T) {
	for _, tc := range []struct {
		in           string
		value, bytes bool // allowed
		strip, show  string
	}{
		{"", true, true, "", ""},
		{"Bad Request", true, true, "Bad Request", "Bad Request"},
		{"a\tb", true, true, "a\tb", "a b"},
		{"マトリックス", true, true, "マトリックス", "マトリックス"},
		{"0\r00", false, false, "000", "000"},
		{"0-15\r\na=inactive", false, false, "0-15a=inactive", "0-15a=inactive"},
		{"a\nb", false, false, "ab", "ab"},
		{"a\x00b", false, false, "ab", "ab"},
		{"\x1b[2J", false, true, "[2J", "[2J"},
		{"\x7f", false, true, "", ""},
		{"\u009b2J", true, true, "\u009b2J", "2J"}, // C1 is no control character of ASCII: shown, it is dropped
		{"\xff", true, true, "\xff", "\uFFFD"},
		// RFC 4475 §3.1.1.2 has such display names.
		{`"BEL:` + "\\\x07 NUL:\\\x00 DEL:\\\x7f" + `"`, false, false, `"BEL:\ NUL:\ DEL:\"`, `"BEL:\ NUL:\ DEL:\"`},
		{"\"\x07\"", false, true, `""`, `""`},
		{"\"\\\r\"", false, false, `"\"`, `"\"`},
	} {
		for _, check := range []struct {
			name string
			f    func(string) error
			ok   bool
		}{{"Value", text.Value, tc.value}, {"Bytes", text.Bytes, tc.bytes}} {
			if err := check.f(tc.in); (err == nil) != check.ok || err != nil && !errors.Is(err, text.ErrControl) {
				t.Errorf("%s(%q): %v, want allowed %v", check.name, tc.in, err, check.ok)
			}
		}
		if strip, show := text.Strip(tc.in), text.Printable(tc.in); strip != tc.strip || show != tc.show {
			t.Errorf("%q: written %q, shown %q, want %q and %q", tc.in, strip, show, tc.strip, tc.show)
		}
	}
	if err := text.Value("ab\r"); err == nil || !strings.HasSuffix(err.Error(), "0x0d at byte 2") {
		t.Errorf("%v does not say what and where", err)
	}
}

// What is left is allowed and stays as it is.
func FuzzRule(f *testing.F) {
	f.Add("0\r00")
	f.Add("\x1b[2J\u009b\xff")
	f.Fuzz(func(t *testing.T, v string) {
		stripped, printable := text.Strip(v), text.Printable(v)
		for _, s := range []string{stripped, printable} {
			if err := errors.Join(text.Value(s), text.Bytes(s)); err != nil {
				t.Errorf("%q becomes %q: %v", v, s, err)
			}
		}
		if text.Strip(stripped) != stripped || text.Printable(printable) != printable || !utf8.ValidString(printable) {
			t.Errorf("%q becomes %q and %q", v, stripped, printable)
		}
		if text.Value(v) == nil && (stripped != v || text.Bytes(v) != nil) {
			t.Errorf("%q passes the strictest rule and not the other", v)
		}
	})
}
