package phones

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// A control socket may send anything: a netstring is read whole, or there is an error, and what was
// read is written as it came.
func FuzzNetstring(f *testing.F) {
	for _, seed := range []string{`2:{},`, `0:,`, `5:hello,`, `5:hello.`, `99999999999:x,`, `-1:,`, `3:ab`, `:,`, "x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := readNetstring(bufio.NewReader(bytes.NewReader(b)))
		if err == nil && !strings.Contains(string(b), ":"+string(text)+",") {
			t.Errorf("%q is not in %q", text, b)
		}
	})
}
