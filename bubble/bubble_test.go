package bubble_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
)

func TestVirtualTimeJumps(t *testing.T) {
	var slept time.Duration
	if err := bubble.Run(func() {
		start := time.Now()
		time.Sleep(32 * time.Second)
		slept = time.Since(start)
	}); err != nil {
		t.Fatal(err)
	}
	if slept != 32*time.Second {
		t.Errorf("slept %v, want exactly 32s", slept)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	err := bubble.Run(func() { panic("kaboom") })
	var p *bubble.PanicError
	if !errors.As(err, &p) || p.Value != "kaboom" || len(p.Stack) == 0 {
		t.Errorf("got %v", err)
	}
}

func TestALeakedGoroutineIsAnError(t *testing.T) {
	err := bubble.Run(func() {
		never := make(chan struct{})
		go func() { <-never }()
	})
	if !errors.Is(err, bubble.ErrLeak) {
		t.Errorf("got %v, want ErrLeak", err)
	}
	if err := bubble.Run(func() {}); err != nil {
		t.Errorf("the next bubble: %v", err)
	}
}

// leave is left behind by name.
func leave() { go func() { <-make(chan struct{}) }() }

func TestALeakNamesTheGoroutineAndItsCreator(t *testing.T) {
	err := bubble.Run(func() { leave() })
	var blocked *bubble.BlockedError
	if !errors.As(err, &blocked) || len(blocked.Goroutines) != 1 {
		t.Fatalf("got %#v", err)
	}
	g := blocked.Goroutines[0]
	for want, in := range map[string]string{
		"bubble_test.leave.func1 at ": g.In, "bubble_test.leave at ": g.CreatedBy, "bubble_test.go:": g.In,
		"chan receive (durable)": g.State, "left behind\n\tgoroutine ": err.Error(), "started by ": err.Error(),
	} {
		if !strings.Contains(in, want) {
			t.Errorf("%q is not in %q", want, in)
		}
	}
}

func TestManyLeaksAreNotAllNamed(t *testing.T) {
	err := bubble.Run(func() {
		for range 9 {
			leave()
		}
	})
	if text := err.Error(); strings.Count(text, "leave.func1") != 5 || !strings.HasSuffix(text, "... and 4 more") {
		t.Errorf("got %v", err)
	}
}

func TestADeadlockNamesTheFunction(t *testing.T) {
	err := bubble.Run(func() { select {} })
	if !errors.Is(err, bubble.ErrLeak) || !strings.Contains(err.Error(), "every goroutine is blocked for ever") || !strings.Contains(err.Error(), "TestADeadlockNamesTheFunction.func1") {
		t.Errorf("got %v", err)
	}
}

func TestAPanicIsToldWithWhatItLeft(t *testing.T) {
	err := bubble.Run(func() {
		leave()
		panic("kaboom")
	})
	var p *bubble.PanicError
	if !errors.As(err, &p) || p.Value != "kaboom" || !errors.Is(err, bubble.ErrLeak) {
		t.Errorf("got %v", err)
	}
}

// t.Fatal inside a bubble ends the goroutine with runtime.Goexit.
func TestFatalInsideIsAnError(t *testing.T) {
	inner := new(testing.T)
	err := bubble.Run(func() {
		time.Sleep(time.Second)
		inner.FailNow()
	})
	if !errors.Is(err, bubble.ErrExit) || !inner.Failed() {
		t.Errorf("got %v", err)
	}
	if err := bubble.Run(func() { inner.SkipNow() }); !errors.Is(err, bubble.ErrExit) {
		t.Errorf("skipped: %v", err)
	}
}

func TestABubbleInABubbleIsAnError(t *testing.T) {
	var inner error
	if err := bubble.Run(func() { inner = bubble.Run(func() {}) }); err != nil {
		t.Fatal(err)
	}
	if inner == nil || !strings.Contains(inner.Error(), "within a synctest bubble") {
		t.Errorf("got %v", inner)
	}
}

func TestBubblesSideBySide(t *testing.T) {
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for range 50 {
				if err := bubble.Run(func() { time.Sleep(time.Minute) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Of two that wait at once one is a nanosecond late.
func TestTwoWaitAtOnce(t *testing.T) {
	for range 50 {
		var took [2]time.Duration
		if err := bubble.Run(func() {
			start := time.Now()
			var both sync.WaitGroup
			for i := range took {
				both.Go(func() {
					bubble.Wait()
					took[i] = time.Since(start)
				})
			}
			both.Wait()
		}); err != nil {
			t.Fatal(err)
		}
		if sum := took[0] + took[1]; sum > 1 {
			t.Fatalf("took %v", took)
		}
	}
}

func TestWaitOutsideOfABubblePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	bubble.Wait()
}

func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := bubble.Run(func() {}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWaitLetsOthersFinish(t *testing.T) {
	done := false
	if err := bubble.Run(func() {
		go func() { done = true }()
		bubble.Wait()
	}); err != nil || !done {
		t.Errorf("done=%v err=%v", done, err)
	}
}
