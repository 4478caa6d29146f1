package bubble

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	// ErrLeak is returned when goroutines of the bubble are blocked for ever: those that
	// the function left behind, or all of them. The error is a *BlockedError.
	ErrLeak = errors.New("bubble: a goroutine was left behind")
	// ErrStuck is returned when a goroutine waits for something outside of the bubble and
	// nothing else moves. The error is a *BlockedError.
	ErrStuck = errors.New("bubble: virtual time stands still")
	// ErrExit is returned when the function ended its goroutine instead of returning, as
	// t.Fatal, t.FailNow and t.Skip do.
	ErrExit = errors.New("bubble: the function ended its goroutine (t.Fatal, t.FailNow, t.Skip or runtime.Goexit inside a bubble): make assertions on what Run leaves behind")
)

// PanicError is a panic of the function itself.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the panic's value; the stack is in the field.
func (e *PanicError) Error() string { return fmt.Sprintf("bubble: panic: %v", e.Value) }

// DefaultPatience is how long, on the real clock, a bubble may be still.
const DefaultPatience = 15 * time.Second

// Config says how a bubble is run. The zero value is fine.
type Config struct {
	// Patience is how long, on the real clock, no goroutine of the bubble may be able to
	// run while one waits for something outside of it, before Run gives up with ErrStuck.
	// It is seen after twice as long at most. 0 is DefaultPatience; a negative value waits
	// for ever. How slow the machine is does not matter: what is able to run is no reason
	// to give up, however long it takes.
	Patience time.Duration
}

// Run calls f in a bubble of its own and returns when f and every goroutine it
// started have ended. Bubbles may run side by side; they share no clock.
//
// The error may be several, joined: a panic and what was left behind. After
// ErrStuck the bubble's goroutines are still there, and f may go on if what it
// waits for comes after all.
func Run(f func()) error { return Config{}.Run(f) }

// Run is the function Run, with the configuration.
func (c Config) Run(f func()) error {
	r := &run{f: f, over: make(chan struct{}), stuck: make(chan error, 1)}
	go r.root()
	if c.Patience >= 0 {
		if c.Patience == 0 {
			c.Patience = DefaultPatience
		}
		defer time.AfterFunc(c.Patience, func() { r.watch(c.Patience) }).Stop()
	}
	select {
	case <-r.over:
		return errors.Join(r.ended, r.left)
	case err := <-r.stuck:
		return err
	}
}

// Wait blocks until every other goroutine of the bubble is blocked. It must be called
// from inside a bubble, by one goroutine at a time. Beside a vnet.Lab use it rather than
// synctest.Wait: a lab waits for rest too, and if both do so at the same nanosecond this
// one comes a nanosecond later instead of panicking.
func Wait() {
	for !waited() {
		time.Sleep(time.Nanosecond)
	}
}

// waited is synctest.Wait; false if another goroutine is in it.
func waited() (ok bool) {
	defer func() {
		if r := recover(); r != nil && !strings.Contains(fmt.Sprint(r), "already in progress") {
			panic(r)
		}
	}()
	synctest.Wait()
	return true
}

// run is one bubble. Its goroutines are not the caller's, which must be able to leave
// them alone.
type run struct {
	f     func()
	over  chan struct{} // closed at the end
	stuck chan error    // from the watchdog

	ended error // how f ended, if it did not just return
	left  error // what synctest has to say in the end
}

// root is the goroutine that synctest moves the clock on. The watchdog finds it by its
// argument, so it must have one.
//
//go:noinline
func (r *run) root() {
	defer close(r.over)
	defer func() {
		if v := recover(); v != nil {
			r.left = fromRuntime(v)
		}
	}()
	synctest.Test(new(testing.T), func(*testing.T) {
		// On a goroutine of our own: what package testing does when one of its own ends
		// with Goexit needs more than an empty T.
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.call()
		}()
		<-done
	})
}

func (r *run) call() {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			r.ended = &PanicError{Value: v, Stack: debug.Stack()}
		} else if !returned {
			r.ended = ErrExit
		}
	}()
	r.f()
	returned = true
}

// fromRuntime turns what synctest itself panics with into an error.
func fromRuntime(v any) error {
	why := fmt.Sprint(v)
	if !strings.Contains(why, "deadlock") {
		return &PanicError{Value: v, Stack: debug.Stack()}
	}
	e := &BlockedError{kind: ErrLeak, Why: "a goroutine was left behind"}
	if strings.Contains(why, "all goroutines") {
		e.Why = "every goroutine is blocked for ever"
	}
	if id := bubbleOf(v); id != 0 {
		e.Goroutines = inBubble(goroutines(), id)
	}
	return e
}

// bubbleOf is the number of the bubble in the runtime's error, or 0: its type is not
// exported.
func bubbleOf(v any) uint64 {
	e := reflect.ValueOf(v)
	if e.Kind() != reflect.Struct {
		return 0
	}
	b := e.FieldByName("bubble")
	if b.Kind() != reflect.Pointer || b.IsNil() || b.Elem().Kind() != reflect.Struct {
		return 0
	}
	if id := b.Elem().FieldByName("id"); id.Kind() == reflect.Uint64 {
		return id.Uint()
	}
	return 0
}
