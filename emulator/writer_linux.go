package emulator

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/internal/ippacket"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/vnet"
)

// writer writes to a TUN device. Datagrams of one flow and length that come one after the other are written as one,
// which the kernel takes apart again: a system call is most of what a small packet costs.
type writer struct {
	fd       int
	together bool // the kernel takes datagrams that are several in one

	waits  []unix.Iovec // what is to be written next: header, packet, payloads of those after it
	header [virtioLen]byte
	first  []byte   // the packet
	key    datagram // of it, if others may join it
	n      int      // how many there are
	total  int      // their length

	received, failed, writes, coalesced atomic.Uint64
}

// datagram is what those have in common that are written together.
type datagram struct {
	ok      bool
	header  int // length of the headers of IP and UDP
	payload int
}

// receive takes a packet from the core. The bytes are kept until flush.
func (w *writer) receive(f vnet.Frame) {
	w.received.Add(1)
	var key datagram
	if f.Segment == 0 && w.together {
		key = datagramOf(f.IP)
	}
	if w.joins(f.IP, key) {
		w.waits = append(w.waits, iovec(f.IP[key.header:]))
		w.n++
		w.total += key.payload
		w.coalesced.Add(1)
		if key.payload < w.key.payload { // only the last may be shorter
			w.flush()
		}
		return
	}
	w.flush()
	w.header = [virtioLen]byte{}
	if f.Segment > 0 {
		w.header = segmented(f)
	}
	w.waits = append(w.waits[:0], iovec(w.header[:]), iovec(f.IP))
	w.first, w.key, w.n, w.total = f.IP, key, 1, len(f.IP)
	if !key.ok {
		w.flush()
	}
}

// joins says whether a datagram may be written together with what waits.
func (w *writer) joins(b []byte, key datagram) bool {
	return w.n > 0 && w.n < maxUnder && key.ok && w.key.ok && key.header == w.key.header && key.payload <= w.key.payload &&
		w.total+key.payload < 60000 && sameFlow(w.first, b)
}

// flush writes what waits.
func (w *writer) flush() {
	if w.n == 0 {
		return
	}
	if w.n > 1 {
		w.wrap()
	}
	w.writes.Add(1)
	if writeNow(w.fd, w.waits) != nil {
		w.failed.Add(uint64(w.n))
	}
	w.n, w.first = 0, nil
	clear(w.waits)
}

// wrap makes the headers those of several datagrams in one.
func (w *writer) wrap() {
	p, ip := w.first, w.key.header-8
	length := w.total - ip
	w.header[0], w.header[1] = needsChecksum, gsoUDP
	ne.PutUint16(w.header[2:], uint16(w.key.header))
	ne.PutUint16(w.header[4:], uint16(w.key.payload))
	ne.PutUint16(w.header[6:], uint16(ip))
	ne.PutUint16(w.header[8:], 6)
	if p[0]>>4 == 4 {
		be.PutUint16(p[2:], uint16(w.total))
		p[10], p[11] = 0, 0
		be.PutUint16(p[10:], ippacket.Checksum(p[:ip]))
	} else {
		be.PutUint16(p[4:], uint16(length))
	}
	be.PutUint16(p[ip+4:], uint16(length))
	be.PutUint16(p[ip+6:], ippacket.PartialChecksum(p, natmodels.UDP, length))
}

// segmented is the header of segments that are several in one; the kernel computes their checksums.
func segmented(f vnet.Frame) (h [virtioLen]byte) {
	p, ip := f.IP, 40
	h[0], h[1] = needsChecksum, gsoTCP6
	if p[0]>>4 == 4 {
		ip, h[1] = int(p[0]&15)*4, gsoTCP4
	}
	ne.PutUint16(h[2:], uint16(ip+int(p[ip+12]>>4)*4))
	ne.PutUint16(h[4:], uint16(f.Segment))
	ne.PutUint16(h[6:], uint16(ip))
	ne.PutUint16(h[8:], 16)
	be.PutUint16(p[ip+16:], ippacket.PartialChecksum(p, natmodels.TCP, len(p)-ip))
	return h
}

// datagramOf tells what may be written together with others: whole datagrams without options, not to be cut, with a
// right checksum, which is computed anew.
func datagramOf(b []byte) (d datagram) {
	switch {
	case len(b) > 28 && b[0] == 0x45 && b[9] == unix.IPPROTO_UDP && b[6] == 0x40 && b[7] == 0:
		d.header = 28
	case len(b) > 48 && b[0]>>4 == 6 && b[6] == unix.IPPROTO_UDP:
		d.header = 48
	default:
		return d
	}
	v, err := ippacket.Parse(b)
	d.payload = len(b) - d.header
	d.ok = err == nil && v.PayloadAt == d.header && v.PayloadEnd == len(b) && be.Uint16(b[d.header-2:]) != 0 && v.Verify(b) == nil
	return d
}

// sameFlow compares what the headers of two datagrams say beside lengths, identification and checksums.
func sameFlow(a, b []byte) bool {
	if a[0] == 0x45 {
		return b[0] == 0x45 && a[1] == b[1] && string(a[8:10]) == string(b[8:10]) && string(a[12:24]) == string(b[12:24])
	}
	return string(a[:4]) == string(b[:4]) && string(a[6:44]) == string(b[6:44])
}
