package lab_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/emulator/lab"
)

// shorter is a lab that is over soon, or false.
func shorter(f *lab.File) bool {
	const soon = lab.Duration(10 * time.Second)
	if f.Programs() || len(f.Script) > 30 || f.Last() > time.Duration(soon) {
		return false
	}
	f.Lasts = soon
	return true
}

// What is read can be played: it is built or refused with an error, and ends.
func FuzzPlay(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(public))
	for _, name := range examples(&testing.T{}) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := lab.Parse("fuzz.yaml", text)
		if err != nil || strings.Contains(string(text), "model: /") || !shorter(l) {
			return
		}
		r, err := l.Play(t.Context(), lab.Options{Clock: lab.Virtual, Trace: true})
		switch {
		case errors.Is(err, lab.ErrClock):
		case err != nil:
			t.Errorf("what is read cannot be played: %v\n%s", err, text)
		case r.Lasted < 10*time.Second:
			t.Errorf("it lasted %v only", r.Lasted)
		}
	})
}
