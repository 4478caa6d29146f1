package kernelnat

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// byteGenerator makes sequences of packets in bytes. No two of a sequence want the same port of
// the box, so that none is drawn at random.
type byteGenerator struct {
	*rand.Rand
	id    uint16 // of the packet made last; fragments of a sequence may be left over for the next
	port  uint16
	mtu   int
	steps []byteStep
}

func newByteGenerator(seed uint64) *byteGenerator {
	return &byteGenerator{Rand: rand.New(rand.NewPCG(seed, 0x6279746573))}
}

// byteFlow is a conversation between an inside host and a server.
type byteFlow struct {
	proto            Proto
	host, server     netip.Addr
	port, serverPort uint16
	open             bool // the box has seen its beginning
	stage            int  // TCP: how many segments of the handshake it has seen
	seq, ack         uint32
	over             bool
}

// sequence makes one.
func (g *byteGenerator) sequence(number int) byteCase {
	g.port, g.steps = 2000, nil
	g.mtu = []int{defaultMTU, defaultMTU, 1000, 600}[g.IntN(4)]
	flows := make([]*byteFlow, 2+g.IntN(3))
	for i := range flows {
		flows[i] = &byteFlow{
			proto: []Proto{UDP, UDP, TCP, ICMP}[g.IntN(4)],
			host:  []netip.Addr{hostA, hostB}[g.IntN(2)], server: []netip.Addr{server1, server2}[g.IntN(2)],
			port: g.nextPort(), serverPort: 53 + uint16(g.IntN(3)), seq: 1000, ack: 5000,
		}
	}
	for range 6 + g.IntN(14) {
		f := flows[g.IntN(len(flows))]
		switch n := g.IntN(20); {
		case n < 12:
			g.talk(f)
		case n < 16 && len(g.steps) > 0:
			g.complain()
		default:
			g.knock()
		}
	}
	return byteCase{name: fmt.Sprintf("sequence %d", number), mtu: g.mtu, steps: g.steps}
}

func (g *byteGenerator) nextPort() uint16 {
	g.port++
	return g.port
}

func (g *byteGenerator) one(in int) bool { return g.IntN(in) == 0 }

// head draws what the headers of packets have.
func (g *byteGenerator) head(src, dst netip.Addr) ipHead {
	g.id++
	h := ipHead{src: src, dst: dst, id: g.id, ttl: uint8(3 + g.IntN(200)), tos: uint8(g.Uint32()), df: g.one(4)}
	if g.one(6) {
		h.options = [][]byte{alert, security, append(slices.Clone(plainNote), alert...)}[g.IntN(3)]
	}
	return h
}

// data draws a payload.
func (g *byteGenerator) data() []byte {
	n := g.IntN(100)
	if g.one(3) {
		n = g.IntN(1400)
	}
	return pattern(n)
}

// talk sends what comes next in a conversation, or something that looks like it but for a fault.
func (g *byteGenerator) talk(f *byteFlow) {
	inward := f.open && g.one(2)
	if f.proto == TCP && f.stage < 3 {
		inward = f.stage == 1
	}
	side, src, dst := Inside, f.host, f.server
	if inward {
		side, src, dst = Outside, f.server, External[0]
	}
	h := g.head(src, dst)
	switch {
	case f.over:
	case f.proto == UDP:
		from, to := f.port, f.serverPort
		if inward {
			from, to = to, from
		}
		data := g.data()
		if g.one(8) {
			data = pattern(1400 + g.IntN(1600))
		}
		b := h.udp(from, to, data)
		if g.one(5) {
			b = set16(b, len(b)-len(data)-2, 0)
		}
		f.open = g.send(side, h, b) || f.open
	case f.proto == ICMP && inward:
		g.send(side, h, h.echo(EchoReply, f.port, uint16(g.IntN(5)), g.data()))
	case f.proto == ICMP:
		f.open = g.send(side, h, h.echo(EchoRequest, f.port, uint16(g.IntN(5)), g.data())) || f.open
	default:
		g.segment(f, side, h)
	}
}

// segment sends the next segment of a connection.
func (g *byteGenerator) segment(f *byteFlow, side Side, h ipHead) {
	s := tcpHead{src: f.port, dst: f.serverPort, flags: flagACK, seq: f.seq, ack: f.ack, options: tcpStamp}
	if side == Outside {
		s = tcpHead{src: f.serverPort, dst: f.port, flags: flagACK, seq: f.ack, ack: f.seq, options: tcpStamp}
	}
	var data []byte
	switch f.stage {
	case 0:
		s.flags, s.ack, s.options = flagSYN, 0, synOptions
	case 1:
		s.flags, s.ack, s.options = flagSYN|flagACK, f.seq+1, synOptions
	case 2:
		s.seq++
		s.ack++
	default:
		data = g.data()
		s.flags |= flagPSH
		if g.one(8) {
			s.flags, data = flagRST|flagACK, nil
		}
	}
	if !g.send(side, h, h.tcp(s, data)) {
		return
	}
	f.open = true
	switch {
	case f.stage == 2:
		f.seq++
		f.ack++
	case s.flags&flagRST != 0:
		f.over = true
	case side == Inside:
		f.seq += uint32(len(data))
	default:
		f.ack += uint32(len(data))
	}
	f.stage = min(f.stage+1, 3)
}

// send sends a packet, at times with a fault or in fragments, and reports whether the box takes it
// for what it is.
func (g *byteGenerator) send(side Side, h ipHead, b []byte) bool {
	size := int(b[0]&15) * 4
	body := len(b) - size
	fits := len(b) <= g.mtu && len(b) <= defaultMTU || !h.df
	switch n := g.IntN(20); {
	case n == 0 && body > 14: // and not the length of a TCP header
		g.steps = append(g.steps, from(side, spoil(b, size+14+g.IntN(body-14))))
	case n == 1:
		g.steps = append(g.steps, from(side, resealed(setByte(b, 8, 1))))
	case n == 2:
		g.steps = append(g.steps, from(side, spoil(b, 8+g.IntN(4))))
	case n < 8 && body > 40 && size == ipHeader:
		g.inFragments(side, b)
	default:
		g.steps = append(g.steps, from(side, b))
		return fits
	}
	return false
}

func setByte(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

// inFragments sends a packet in fragments: in order or not, some twice, some not at all, some of
// which overlap.
func (g *byteGenerator) inFragments(side Side, b []byte) {
	body := len(b) - ipHeader
	var ends []int
	// Not within a TCP header: what Linux changes there it cuts anew.
	for at := 8 * (3 + g.IntN(1+min(body/8-3, 150))); at < body; at += 8 * (1 + g.IntN(150)) {
		ends = append(ends, at)
	}
	parts := cutAt(b, ends...)
	if !g.one(3) {
		g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	switch i := g.IntN(len(parts)); g.IntN(6) {
	case 0:
		parts = slices.Insert(parts, g.IntN(len(parts)+1), parts[i])
	case 1:
		parts = slices.Delete(parts, i, i+1)
	case 2:
		at := 8 * g.IntN(body/8)
		end := min(at+8*(1+g.IntN(40)), body)
		parts = slices.Insert(parts, g.IntN(len(parts)+1), fragmentOf(b, at, end))
	}
	for _, p := range parts {
		g.steps = append(g.steps, from(side, p))
	}
}

// complain sends an ICMP error about the packet of an earlier step.
func (g *byteGenerator) complain() {
	by := []netip.Addr{onTheWay, server1, server2, hostA, hostB}[g.IntN(5)]
	kind := []uint8{Unreachable, Unreachable, TimeExceeded, 12, 4, 5}[g.IntN(6)]
	code, rest := uint8(g.IntN(4)), uint32(0)
	if kind == Unreachable && g.one(3) {
		code, rest = 4, uint32(600+g.IntN(900))
	}
	most := 28 + g.IntN(520)
	step := about(g.IntN(len(g.steps)), by, kind, code, rest, most)
	quote := step.make
	step.make = func(before []sending) []byte {
		b := quote(before)
		if b == nil || !quotable(b[28:]) {
			return nil
		}
		return b
	}
	if g.one(10) {
		whole := step.make
		step.make = func(before []sending) []byte {
			if b := whole(before); b != nil {
				return spoil(b, 24+int(b[2])%4)
			}
			return nil
		}
	}
	g.steps = append(g.steps, step)
}

// quotable reports whether an ICMP error may be about a packet quoted: it is none itself (RFC 1122
// section 3.2.2), eight bytes after its header are there (RFC 792), and its end is not just behind
// the checksum of TCP. See docs/limitations.md for what becomes of others.
func quotable(quoted []byte) bool {
	size := int(quoted[0]&15) * 4
	switch n := len(quoted) - size; {
	case n < 8, Proto(quoted[9]) == TCP && (n == 18 || n == 19):
		return false
	}
	return Proto(quoted[9]) != ICMP || quoted[size] == EchoRequest || quoted[size] == EchoReply
}

// knock sends something to the box itself, from either side.
func (g *byteGenerator) knock() {
	side, src := Outside, []netip.Addr{server1, server2, onTheWay}[g.IntN(3)]
	if g.one(3) {
		side, src = Inside, []netip.Addr{hostA, hostB}[g.IntN(2)]
	}
	h := g.head(src, External[0])
	port := g.nextPort() + 8000
	switch g.IntN(3) {
	case 0:
		g.send(side, h, h.udp(7000, port, g.data()))
	case 1:
		s := tcpHead{src: 7000, dst: port, seq: g.Uint32(), ack: g.Uint32(), options: tcpStamp}
		s.flags = []byte{flagSYN, flagSYN | flagACK, flagACK, flagFIN | flagACK, flagRST, flagRST | flagACK}[g.IntN(6)]
		g.send(side, h, h.tcp(s, g.data()))
	default:
		g.send(side, h, h.echo(EchoRequest, port, 1, g.data()))
	}
}
