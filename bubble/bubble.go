// Package bubble runs a function under virtual time.
//
// Inside a bubble time.Now, timers and deadlines follow a clock that moves
// only when every goroutine of the bubble is blocked, and then jumps straight
// to the next timer. A 32 second SIP timeout costs microseconds, and ordinary
// code (sipgo, pion, net/http) needs no change to live there. It is
// testing/synctest, made usable from an ordinary program:
//
//	err := bubble.Run(func() {
//		time.Sleep(time.Hour) // returns at once
//	})
//
// Make assertions on what Run leaves behind, never inside it. Everything the
// function starts must have ended when it returns: a goroutine that is left
// blocked is an error of that run.
//
// It is not a sandbox: a panic on another goroutine of the bubble ends the
// process, as it does everywhere in Go.
package bubble

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
)

// ErrLeak is returned when the function has returned and goroutines that it
// started are blocked for ever.
var ErrLeak = errors.New("bubble: a goroutine was left behind")

// PanicError is a panic of the function itself.
type PanicError struct {
	Value any
	Stack []byte
}

// Error gives the panic's value; the stack is in the field.
func (e *PanicError) Error() string { return fmt.Sprintf("bubble: panic: %v", e.Value) }

// Run calls f in a bubble of its own and returns when f and every goroutine it
// started have ended. Bubbles may run side by side; they share no clock.
func Run(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fromRuntime(r)
		}
	}()
	synctest.Test(new(testing.T), func(*testing.T) {
		defer func() {
			if r := recover(); r != nil {
				err = &PanicError{Value: r, Stack: debug.Stack()}
			}
		}()
		f()
	})
	return err
}

// Wait blocks until every other goroutine of the bubble is blocked.
// It must be called from inside a bubble.
func Wait() { synctest.Wait() }

// fromRuntime turns what synctest itself panics with into an error.
func fromRuntime(r any) error {
	if s := fmt.Sprint(r); strings.Contains(s, "deadlock") {
		return fmt.Errorf("%w: %s", ErrLeak, s)
	}
	return &PanicError{Value: r, Stack: debug.Stack()}
}
