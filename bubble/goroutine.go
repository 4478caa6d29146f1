package bubble

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Goroutine is one goroutine of a bubble that is blocked.
type Goroutine struct {
	ID        uint64
	State     string // what it waits for, in the runtime's words: "IO wait", "chan receive (durable)"
	In        string // the innermost function outside of the standard library, with file and line
	CreatedBy string // the function that started it, with file and line
	Stack     string // as the runtime prints it
}

// String names it on one line.
func (g Goroutine) String() string {
	s := fmt.Sprintf("goroutine %d [%s] in %s", g.ID, g.State, g.In)
	if g.CreatedBy != "" {
		s += ", started by " + g.CreatedBy
	}
	return s
}

// BlockedError names the goroutines of a bubble that will not go on.
type BlockedError struct {
	Why        string // in a few words
	Goroutines []Goroutine

	kind  error // ErrLeak or ErrStuck
	stack bool  // print the first one's
}

// maxNamed is how many goroutines the text of an error names.
const maxNamed = 5

// Error names the goroutines, one a line.
func (e *BlockedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bubble: %s", e.Why)
	for i, g := range e.Goroutines {
		if i == maxNamed {
			fmt.Fprintf(&b, "\n\t... and %d more", len(e.Goroutines)-maxNamed)
			break
		}
		fmt.Fprintf(&b, "\n\t%s", g)
	}
	if e.stack && len(e.Goroutines) > 0 {
		fmt.Fprintf(&b, "\n%s", e.Goroutines[0].Stack)
	}
	return b.String()
}

// Unwrap is ErrLeak or ErrStuck.
func (e *BlockedError) Unwrap() error { return e.kind }

// listed is a goroutine in a listing of all.
type listed struct {
	Goroutine
	bubble uint64 // 0: in none
}

// maxListing bounds the listing; what is beyond it is not seen.
const maxListing = 256 << 20

// goroutines lists all there are, as the runtime prints them.
func goroutines() []listed {
	buf := make([]byte, 256<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= maxListing {
			return parseListing(string(buf[:n]))
		}
		buf = make([]byte, 4*len(buf))
	}
}

var header = regexp.MustCompile(`^goroutine (\d+)[^\[]*\[([^\]]*)\]:\n`)

// parseListing reads what runtime.Stack prints: a header with number and state, a function
// and its place in turn, and in the end who started it.
func parseListing(text string) []listed {
	var all []listed
	for _, stack := range strings.Split(text, "\n\n") {
		m := header.FindStringSubmatch(stack)
		if m == nil {
			continue
		}
		var g listed
		g.ID, _ = strconv.ParseUint(m[1], 10, 64)
		g.Stack = stack
		for i, word := range strings.Split(m[2], ", ") {
			if n, ok := strings.CutPrefix(word, "synctest bubble "); ok {
				g.bubble, _ = strconv.ParseUint(n, 10, 64)
			} else if i == 0 {
				g.State = word
			}
		}
		g.In, g.CreatedBy = frames(stack[len(m[0]):])
		all = append(all, g)
	}
	return all
}

// frames finds the innermost function outside of the standard library, or else the
// innermost, and the one that started the goroutine.
func frames(body string) (in, createdBy string) {
	lines := strings.Split(body, "\n")
	innermost := ""
	for i := 0; i+1 < len(lines); i += 2 {
		place, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +0x")
		if creator, ok := strings.CutPrefix(lines[i], "created by "); ok {
			creator, _, _ = strings.Cut(creator, " in goroutine ")
			createdBy = creator + " at " + place
			break
		}
		frame := withoutArguments(lines[i]) + " at " + place
		if innermost == "" {
			innermost = frame
		}
		if in == "" && !isStandard(place) {
			in = frame
		}
	}
	return cmp.Or(in, innermost), createdBy
}

// withoutArguments cuts the last parenthesis off "pkg.(*T).f(0xc0001, {0x1, 0x2})".
func withoutArguments(call string) string {
	depth := 0
	for i := len(call) - 1; i >= 0; i-- {
		switch call[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth == 0 {
				return call[:i]
			}
		}
	}
	return call
}

// sources is where the sources of the standard library lie; empty with -trimpath.
var sources = func() string {
	f := runtime.FuncForPC(reflect.ValueOf(runtime.Gosched).Pointer())
	if f == nil {
		return ""
	}
	file, _ := f.FileLine(f.Entry())
	return file[:max(strings.LastIndex(file, "runtime/"), 0)]
}()

func isStandard(place string) bool {
	if sources != "" {
		return strings.HasPrefix(place, sources)
	}
	first, _, _ := strings.Cut(place, "/")
	return !strings.Contains(first, ".")
}

// inBubble are the goroutines of one bubble, by number.
func inBubble(all []listed, bubble uint64) []Goroutine {
	var of []Goroutine
	for _, g := range all {
		if g.bubble == bubble {
			of = append(of, g.Goroutine)
		}
	}
	slices.SortFunc(of, func(a, b Goroutine) int { return cmp.Compare(a.ID, b.ID) })
	return of
}
