// Package readbuf lends the buffers that sockets are read into. A socket is often read for a
// moment only, and making its buffer costs more than reading it.
package readbuf

import (
	"math/bits"
	"sync"
)

// largest is log2 of the size from which on buffers are not kept: no datagram is larger.
const largest = 16

var pools [largest + 1]sync.Pool // by log2 of the size

// Get lends a buffer of that many bytes, all zero. Give it back with Put when nobody reads
// into it or looks at it any more.
func Get(size int) *[]byte {
	class := classOf(size)
	if class > largest {
		b := make([]byte, size)
		return &b
	}
	b, ok := pools[class].Get().(*[]byte)
	if !ok {
		made := make([]byte, 1<<class)
		b = &made
	}
	*b = (*b)[:size]
	return b
}

// Put takes a buffer back and forgets what is in it.
func Put(b *[]byte) {
	if class := classOf(cap(*b)); class <= largest && cap(*b) == 1<<class {
		clear(*b)
		pools[class].Put(b)
	}
}

func classOf(size int) int { return bits.Len(uint(max(size, 1) - 1)) }
