package readbuf_test

import (
	"testing"

	"github.com/natproof/natproof/internal/readbuf"
)

func TestNothingIsHandedOn(t *testing.T) {
	for _, size := range []int{0, 1, 2, 2047, 2048, 2049, 8 << 10, 65535, 65536, 65537, 1 << 20} {
		for range 3 {
			b := readbuf.Get(size)
			if len(*b) != size {
				t.Fatalf("asked for %d bytes, got %d", size, len(*b))
			}
			for i, x := range *b {
				if x != 0 {
					t.Fatalf("byte %d of %d is %#x", i, size, x)
				}
				(*b)[i] = 0xAA
			}
			readbuf.Put(b)
		}
	}
}

// A buffer is lent at different lengths, and the longer user must not see the shorter one's.
func TestALongerUserSeesZeroes(t *testing.T) {
	for range 100 {
		long := readbuf.Get(2048)
		for i, x := range *long {
			if x != 0 {
				t.Fatalf("byte %d is %#x", i, x)
			}
			(*long)[i] = 1
		}
		readbuf.Put(long)
		short := readbuf.Get(1100)
		(*short)[0] = 1
		readbuf.Put(short)
	}
}
