package vnet

import (
	"fmt"
	"strings"
	"testing/synctest"
	"time"
)

// rest waits until nothing else can happen at this instant. The core's timers fire
// together with whatever host timers are set to the same nanosecond; what those do
// (send, change the lab, read what a socket has got) comes first, always, and then
// the core's step.
//
// In a bubble that is synctest.Wait. Only one goroutine of a bubble may be in it: where
// somebody else is, which takes a timer of theirs at the nanosecond of a step, the step
// is put off by one nanosecond, which passes only at rest.
func (l *Lab) rest() {
	if l.restless {
		return
	}
	switch why := waited(); {
	case why == "":
	case strings.Contains(why, "not in a bubble"):
		l.restless = true
	default:
		time.Sleep(settle)
	}
}

// waited is why synctest.Wait could not be called, or nothing.
func waited() (why string) {
	defer func() {
		if r := recover(); r != nil {
			why = fmt.Sprint(r)
		}
	}()
	synctest.Wait()
	return ""
}

// stopped makes a timer that is not set.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
