package bubble_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
)

// soon is little patience. The tests of what is stuck end when it is seen to be; no
// machine is too slow for them.
var soon = bubble.Config{Patience: 20 * time.Millisecond}

// expectStuck runs f, which waits for something that only release brings.
func expectStuck(t *testing.T, f, release func(), words ...string) {
	t.Helper()
	ended := make(chan struct{})
	err := soon.Run(func() {
		defer close(ended)
		f()
	})
	release()
	<-ended // nothing is left behind once it has come
	if !errors.Is(err, bubble.ErrStuck) {
		t.Fatalf("got %v, want ErrStuck", err)
	}
	for _, w := range append(words, "goroutine ", "expectStuck") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

// listen is a real socket to which somebody connects.
func listen(t *testing.T) (address string, accepted <-chan net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no loopback: %v", err)
	}
	conns := make(chan net.Conn, 1)
	go func() {
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			conns <- c
		}
		close(conns)
	}()
	return l.Addr().String(), conns
}

func readRealSocket(address string) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = c.Read(make([]byte, 1))
}

func TestRealNetworkIOIsNamed(t *testing.T) {
	address, accepted := listen(t)
	expectStuck(t,
		func() { readRealSocket(address) },
		func() { (<-accepted).Close() },
		"real network I/O inside a bubble", "IO wait", "bubble_test.readRealSocket at ", "net.(*conn).Read")
}

// The goroutine that waits is named, not those that wait for it or for the clock.
func TestOnlyWhoWaitsOutsideIsNamed(t *testing.T) {
	address, accepted := listen(t)
	var named []bubble.Goroutine
	ended := make(chan struct{})
	err := soon.Run(func() {
		defer close(ended)
		var all sync.WaitGroup
		all.Go(func() { readRealSocket(address) })
		all.Go(func() { time.Sleep(time.Hour) })
		all.Wait()
	})
	(<-accepted).Close()
	<-ended
	var blocked *bubble.BlockedError
	if errors.As(err, &blocked) {
		named = blocked.Goroutines
	}
	if len(named) != 1 || !strings.Contains(named[0].In, "readRealSocket") || !strings.Contains(named[0].CreatedBy, "sync.(*WaitGroup).Go") {
		t.Errorf("named %v in %v", named, err)
	}
}

func TestALockOutsideIsNamed(t *testing.T) {
	var lock sync.Mutex
	lock.Lock()
	expectStuck(t, func() { lock.Lock() }, lock.Unlock, "a lock is held", "sync.Mutex.Lock")
}

func TestAChannelOutsideIsNamed(t *testing.T) {
	outside := make(chan struct{})
	expectStuck(t, func() { <-outside }, func() { close(outside) }, "a channel made outside", "chan receive")
}

func TestASystemCallIsNamed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r.Fd() // back to blocking mode: a read is a system call
	expectStuck(t, func() { _, _ = r.Read(make([]byte, 1)) }, func() { _, _ = w.Write([]byte{0}) }, "system call", "os.(*File).Read")
	r.Close()
}

// What runs is not stuck, however long it takes: a busy goroutine, a clock that moves, and
// a wait for the outside beside something that moves.
func TestWhatMovesIsNotStuck(t *testing.T) {
	enough := new(atomic.Bool)
	time.AfterFunc(300*time.Millisecond, func() { enough.Store(true) })
	outside := make(chan struct{})
	for name, f := range map[string]func(){
		"busy":  func() { spin(enough) },
		"clock": func() { ticks(enough) },
		"both": func() {
			go func() { <-outside }()
			spin(enough)
			close(outside)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := (bubble.Config{Patience: time.Millisecond}).Run(f); err != nil {
				t.Error(err)
			}
		})
	}
}

func spin(enough *atomic.Bool) {
	for !enough.Load() {
	}
}

func ticks(enough *atomic.Bool) {
	for !enough.Load() {
		time.Sleep(time.Second)
	}
}

func TestPatienceForEver(t *testing.T) {
	outside := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { close(outside) })
	if err := (bubble.Config{Patience: -1}).Run(func() { <-outside }); err != nil {
		t.Error(err)
	}
}
