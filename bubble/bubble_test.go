package bubble_test

import (
	"errors"
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

func TestWaitLetsOthersFinish(t *testing.T) {
	done := false
	if err := bubble.Run(func() {
		go func() { done = true }()
		bubble.Wait()
	}); err != nil || !done {
		t.Errorf("done=%v err=%v", done, err)
	}
}
