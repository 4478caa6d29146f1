package roomy

import "testing"

// It is cheap where there is room already, and allocates nothing.
func TestStack(t *testing.T) {
	if n := testing.AllocsPerRun(100, Stack); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStack(b *testing.B) {
	for b.Loop() {
		Stack()
	}
}
