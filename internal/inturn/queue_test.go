package inturn_test

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/internal/inturn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOneAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // of whoever puts; the callback takes it too
		var got []int
		var q inturn.Queue[int]
		q.Call = func(i int) {
			mu.Lock()
			got = append(got, i)
			mu.Unlock()
			if i == 1 {
				q.Put(4) // by the callback itself
			}
			time.Sleep(time.Second)
		}
		began := time.Now()
		mu.Lock()
		for i := range 4 {
			q.Put(i)
		}
		mu.Unlock()
		q.Wait()
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(got, want) || time.Since(began) != 5*time.Second {
			t.Errorf("%v in %v", got, time.Since(began))
		}
		q.Put(5)
		q.Wait()
		if len(got) != 6 {
			t.Errorf("%v after a pause", got)
		}
	})
}

func TestWhoStaysLeavesWhenWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		q := inturn.Queue[int]{Call: func(i int) { got = append(got, i) }, Stays: true}
		for i := range 3 {
			q.Put(i)
			synctest.Wait()
		}
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("%v", got)
		}
		q.Wait() // or synctest complains of a goroutine that is left
		q.Put(3)
		q.Put(4)
		q.Wait()
		if !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
			t.Errorf("%v after a pause", got)
		}
	})
}

func TestNobodyToCall(t *testing.T) {
	var q inturn.Queue[int]
	q.Put(1)
	q.Wait()
}
