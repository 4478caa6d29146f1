package bubble

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// looks is how many times in a row, spread over the patience, a bubble must look the same.
const looks = 4

// maxBackOff bounds how rarely a bubble that moves is looked at: each look stops the world.
const maxBackOff = 16

// watch is the watchdog: it looks at a bubble that has not ended after its patience. It
// gives up when nothing in it is able to run, something in it waits for what is not in the
// bubble, and all of it stays that way.
func (r *run) watch(patience time.Duration) {
	every, same, before := max(patience/looks, time.Millisecond), 0, ""
	for backOff := time.Duration(1); ; {
		now, waiting := still(r.lookAt())
		switch {
		case len(waiting) == 0:
			same, backOff = 0, min(2*backOff, maxBackOff)
		case now != before:
			same, backOff = 0, 1
		default:
			same++
		}
		if same == looks {
			r.stuck <- &BlockedError{kind: ErrStuck, Why: whyStuck(waiting[0].State), Goroutines: waiting, stack: true}
			return
		}
		before = now
		select {
		case <-r.over:
			return
		case <-time.After(every * backOff):
		}
	}
}

// lookAt lists the goroutines of the bubble.
func (r *run) lookAt() []Goroutine {
	all := goroutines()
	mark := fmt.Sprintf(".(*run).root(%p", r)
	for _, g := range all {
		if g.bubble != 0 && strings.Contains(g.Stack, mark) {
			return inBubble(all, g.bubble)
		}
	}
	return nil // over, or not begun
}

// The runtime's words for what goroutines wait for (waitReason of the runtime, and the
// states of those that do not wait).
var (
	// within: what can only come from the bubble itself, as the clock's does.
	within = []string{"sleep", "sync.Cond.Wait", "coroutine", "synctest.Run", "synctest.Wait",
		"chan receive (nil chan)", "chan send (nil chan)", "select (no cases)"}
	// outside: what may come from elsewhere, so the clock waits for it.
	outside = []string{"IO wait", "syscall", "chan receive", "chan send", "select", "semacquire",
		"sync.Mutex.Lock", "sync.RWMutex.Lock", "sync.RWMutex.RLock", "sync.WaitGroup.Wait"}
	minutes = regexp.MustCompile(`, \d+ minutes`)
)

// still describes a bubble in which nothing is able to run, and gives those of its
// goroutines that wait for something outside; there are none if it is not still.
func still(all []Goroutine) (picture string, waiting []Goroutine) {
	var b strings.Builder
	for _, g := range all {
		switch {
		case strings.HasSuffix(g.State, "(durable)") || slices.Contains(within, g.State):
		case slices.Contains(outside, g.State) && !strings.Contains(g.Stack, "runtime.cgocall("): // C code runs as "syscall"
			waiting = append(waiting, g)
		default:
			return "", nil
		}
		b.WriteString(minutes.ReplaceAllString(g.Stack, ""))
	}
	return b.String(), waiting
}

// whyStuck says what a state means here.
func whyStuck(state string) string {
	switch {
	case state == "IO wait":
		return "real network I/O inside a bubble: virtual time stands still while a goroutine waits for it; use a socket of a virtual host"
	case state == "syscall":
		return "a system call inside a bubble does not return, and virtual time stands still meanwhile"
	case strings.HasPrefix(state, "sync.") || state == "semacquire":
		return "a lock is held for ever, or outside of the bubble: virtual time stands still while a goroutine waits for it"
	}
	return "a channel made outside of the bubble: virtual time stands still while a goroutine waits for it"
}
