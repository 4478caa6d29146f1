package kernelnat

import (
	"bytes"
	"net/netip"
)

// byteCase is a sequence of packets in bytes for a box that masquerades.
type byteCase struct {
	name, nat string
	mtu       int
	guarded   bool // not for a box that lets pass what it makes no sense of: see docs/limitations.md
	steps     []byteStep
}

// byteStep is a packet to send.
type byteStep struct {
	side   Side
	make   func(before []sending) []byte // from what came of the steps before; nil: nothing to send
	giveUp bool                          // instead: let the time for fragments pass
}

func from(side Side, b []byte) byteStep {
	return byteStep{side: side, make: func([]sending) []byte { return b }}
}

func out(b []byte) byteStep { return from(Inside, b) }
func in(b []byte) byteStep  { return from(Outside, b) }

// about sends an ICMP error about the first packet that came of a step (counted from 0) across
// the box, of which it quotes at most so many bytes.
func about(step int, by netip.Addr, kind, code uint8, rest uint32, most int) byteStep {
	side := Outside
	if bytesInside.Contains(by) {
		side = Inside
	}
	return byteStep{side: side, make: func(before []sending) []byte {
		for _, w := range before[step].got {
			translated := side == Inside || !bytesInside.Contains(netip.AddrFrom4([4]byte(w.b[12:16])))
			if w.side == side && before[step].side != side && translated { // nobody in the internet of a lab routes a private address
				h := ipHead{src: by, dst: netip.AddrFrom4([4]byte(w.b[12:16])), tos: 0xc0, id: 77}
				return h.icmp(kind, code, rest, w.b[:min(most, len(w.b))])
			}
		}
		return nil
	}}
}

// spoil changes a byte and leaves the checksum of the transport as it was.
func spoil(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 0x55
	return b
}

// set16 changes a field.
func set16(b []byte, at int, v uint16) []byte {
	b = bytes.Clone(b)
	wireOrder.PutUint16(b[at:], v)
	return b
}

// The header of what A sends to the first server, and of the answer.
var (
	outward = ipHead{src: hostA, dst: server1, id: 1000, tos: 0x28}
	inward  = ipHead{src: server1, dst: External[0], id: 2000, tos: 0x10}
	atBox   = ipHead{src: server1, dst: External[0], id: 3000, ttl: 77}
)

var (
	synOptions = []byte{2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7}
	tcpStamp   = []byte{1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 7}
	alert      = []byte{148, 4, 0, 0} // router alert (RFC 2113)
	security   = []byte{0x82, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	plainNote  = []byte{0x1e, 4, 1, 2} // an experiment (RFC 4727), not to be copied
)

const (
	flagFIN = byte(FIN)
	flagSYN = byte(SYN)
	flagRST = byte(RST)
	flagACK = byte(ACK)
	flagPSH = 8
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func with(h ipHead, change func(*ipHead)) ipHead {
	change(&h)
	return h
}

// byteCases are the cases with names.
func byteCases() []byteCase {
	all := append(udpCases(), tcpCases()...)
	all = append(all, icmpCases()...)
	all = append(all, boxCases()...)
	all = append(all, fragmentCases()...)
	for i := range all {
		if all[i].mtu == 0 {
			all[i].mtu = defaultMTU
		}
	}
	return all
}

func udpCases() []byteCase {
	ping, pong := outward.udp(4000, 53, []byte("ping")), inward.udp(53, 4000, []byte("pong!"))
	zeroes := outward.udp(4000, 53, []byte{0, 0})
	sum := wireOrder.Uint16(zeroes[26:])
	folded := outward.udp(4000, 53, []byte{byte(sum >> 8), byte(sum)}) // whose sum is zero, sent as 0xffff
	outside := with(outward, func(h *ipHead) { h.src = External[0] }).udp(4000, 53, []byte{0, 0})
	sum = wireOrder.Uint16(outside[26:])
	becomes := outward.udp(4000, 53, []byte{byte(sum >> 8), byte(sum)}) // after translation
	return []byteCase{
		{name: "udp", steps: []byteStep{out(ping), in(pong), out(ping)}},
		{name: "udp without data", steps: []byteStep{out(outward.udp(4000, 53, nil)), in(inward.udp(53, 4000, nil))}},
		{name: "udp without checksum", steps: []byteStep{out(set16(ping, 26, 0)), in(set16(pong, 26, 0))}},
		{name: "udp checksum ffff", steps: []byteStep{out(folded)}},
		{name: "udp checksum becomes ffff", steps: []byteStep{out(becomes)}},
		{name: "udp wrong checksum out", steps: []byteStep{out(spoil(ping, 30)), out(ping), out(spoil(ping, 30))}},
		{name: "udp wrong checksum in", steps: []byteStep{out(ping), in(spoil(pong, 30)), in(pong)}},
		{name: "udp wrong header checksum", steps: []byteStep{out(spoil(ping, 10)), out(ping), in(spoil(pong, 11))}},
		{name: "udp length too long", guarded: true, steps: []byteStep{out(set16(ping, 24, 40))}},
		{name: "udp length too short", guarded: true, steps: []byteStep{out(set16(ping, 24, 7))}},
		{name: "options", steps: []byteStep{
			out(with(outward, func(h *ipHead) { h.options = alert }).udp(4000, 53, []byte("ping"))),
			in(with(inward, func(h *ipHead) { h.options = append(plainNote, security...) }).udp(53, 4000, []byte("pong"))),
		}},
		{name: "ttl 1 out", steps: []byteStep{out(with(outward, func(h *ipHead) { h.ttl = 1 }).udp(4000, 53, []byte("ping"))), in(pong)}},
		{name: "ttl 1 out with options", steps: []byteStep{out(with(outward, func(h *ipHead) { h.ttl = 1; h.options = security }).udp(4000, 53, []byte("ping")))}},
		{name: "ttl 1 in", steps: []byteStep{out(ping), in(with(inward, func(h *ipHead) { h.ttl = 1 }).udp(53, 4000, pattern(600)))}},
		{name: "ttl 1 a long datagram", steps: []byteStep{out(with(outward, func(h *ipHead) { h.ttl = 1; h.tos = 0xff }).udp(4000, 53, pattern(1200)))}},
		{name: "df over the mtu", mtu: 1000, steps: []byteStep{
			out(with(outward, func(h *ipHead) { h.df = true }).udp(4000, 53, pattern(1200))),
			out(with(outward, func(h *ipHead) { h.df = true }).udp(4000, 53, pattern(972))),
			out(with(outward, func(h *ipHead) { h.df = true }).udp(4000, 53, pattern(973))),
		}},
		{name: "df over the mtu inward", steps: []byteStep{
			out(ping), in(with(inward, func(h *ipHead) { h.df = true }).udp(53, 4000, pattern(2000))),
		}},
		{name: "over the mtu", mtu: 1000, steps: []byteStep{
			out(outward.udp(4000, 53, pattern(2500))),
			out(with(outward, func(h *ipHead) { h.options = append(plainNote, alert...) }).udp(4000, 53, pattern(2500))),
		}},
		{name: "over the mtu inward", steps: []byteStep{out(ping), in(inward.udp(53, 4000, pattern(2500)))}},
		{name: "two hosts", steps: []byteStep{
			out(ping), out(with(outward, func(h *ipHead) { h.src, h.dst = hostB, server2 }).udp(4000, 53, []byte("b"))),
			in(with(inward, func(h *ipHead) { h.src = server2 }).udp(53, 4000, []byte("for b"))), in(pong),
		}},
		{name: "to the box from the inside", steps: []byteStep{out(with(outward, func(h *ipHead) { h.dst = External[0] }).udp(4000, 53, pattern(700)))}},
		{name: "to the box from the inside with ttl 1", steps: []byteStep{out(with(outward, func(h *ipHead) { h.dst, h.ttl = External[0], 1 }).udp(4000, 53, nil))}},
	}
}

func tcpCases() []byteCase {
	syn := outward.tcp(tcpHead{src: 4000, dst: 80, flags: flagSYN, seq: 100, options: synOptions}, nil)
	synAck := inward.tcp(tcpHead{src: 80, dst: 4000, flags: flagSYN | flagACK, seq: 500, ack: 101, options: synOptions}, nil)
	ack := outward.tcp(tcpHead{src: 4000, dst: 80, flags: flagACK, seq: 101, ack: 501, options: tcpStamp}, nil)
	get := outward.tcp(tcpHead{src: 4000, dst: 80, flags: flagACK | flagPSH, seq: 101, ack: 501, options: tcpStamp}, []byte("GET"))
	reply := inward.tcp(tcpHead{src: 80, dst: 4000, flags: flagACK | flagPSH, seq: 501, ack: 104, options: tcpStamp}, pattern(801))
	fin := outward.tcp(tcpHead{src: 4000, dst: 80, flags: flagACK | flagFIN, seq: 104, ack: 1302}, nil)
	open := []byteStep{out(syn), in(synAck), out(ack)}
	return []byteCase{
		{name: "tcp", steps: append(open[:3:3], out(get), in(reply), out(fin))},
		{name: "tcp reset from the inside", steps: append(open[:3:3], out(get), out(outward.tcp(tcpHead{src: 4000, dst: 80, flags: flagRST, seq: 104}, nil)), in(reply))},
		{name: "tcp refused", steps: []byteStep{out(syn), in(inward.tcp(tcpHead{src: 80, dst: 4000, flags: flagRST | flagACK, ack: 101}, nil))}},
		{name: "tcp wrong checksum", steps: append(open[:3:3], out(spoil(get, len(get)-1)), out(get), in(spoil(reply, 200)), in(reply))},
		{name: "tcp syn with a wrong checksum", steps: []byteStep{out(spoil(syn, 24)), out(syn)}},
		{name: "tcp header too short", guarded: true, steps: []byteStep{out(spoil(syn, 32)), out(set16(syn, 32, 0x1002))}},
		{name: "tcp df over the mtu", mtu: 600, steps: append(open[:3:3],
			out(with(outward, func(h *ipHead) { h.df = true }).tcp(tcpHead{src: 4000, dst: 80, flags: flagACK, seq: 101, ack: 501, options: tcpStamp}, pattern(900))))},
		{name: "tcp ttl 1", steps: []byteStep{out(with(outward, func(h *ipHead) { h.ttl = 1 }).tcp(tcpHead{src: 4000, dst: 80, flags: flagSYN, options: synOptions}, nil))}},
	}
}

func icmpCases() []byteCase {
	ping := outward.udp(4000, 53, pattern(700))
	nosum := set16(ping, 26, 0)
	pong := inward.udp(53, 4000, []byte("pong!"))
	echo := outward.echo(EchoRequest, 7, 1, pattern(57))
	syn := outward.tcp(tcpHead{src: 4000, dst: 80, flags: flagSYN, seq: 100, options: synOptions}, nil)
	all := []byteCase{
		{name: "echo", steps: []byteStep{out(echo), in(inward.echo(EchoReply, 7, 1, pattern(57))), in(inward.echo(EchoReply, 8, 1, pattern(57)))}},
		{name: "echo wrong checksum", steps: []byteStep{out(spoil(echo, 40)), out(echo), in(spoil(inward.echo(EchoReply, 7, 1, pattern(57)), 40))}},
		{name: "echo ttl 1", steps: []byteStep{out(with(outward, func(h *ipHead) { h.ttl = 1 }).echo(EchoRequest, 7, 1, pattern(57)))}},
		{name: "error from the inside", steps: []byteStep{
			out(ping), in(pong), about(1, hostA, Unreachable, 3, 0, 1000), in(inward.udp(53, 4000, pattern(900))), about(3, hostA, Unreachable, 3, 0, 548),
		}},
		{name: "error about an error", guarded: true, steps: []byteStep{out(ping), about(0, onTheWay, TimeExceeded, 0, 0, 28), about(1, hostA, Unreachable, 3, 0, 548)}},
		{name: "error with a wrong quote", steps: []byteStep{
			out(ping), {side: Outside, make: func(before []sending) []byte {
				if len(before[0].got) == 0 {
					return nil
				}
				h := ipHead{src: onTheWay, dst: External[0]}
				return h.icmp(TimeExceeded, 0, 0, spoil(before[0].got[0].b, 10)[:60]) // its header checksum
			}},
			{side: Outside, make: func(before []sending) []byte {
				h := ipHead{src: onTheWay, dst: External[0]}
				return h.icmp(TimeExceeded, 0, 0, spoil(before[0].got[0].b, 26)[:60]) // its UDP checksum
			}},
			{side: Outside, make: func(before []sending) []byte {
				h := ipHead{src: onTheWay, dst: External[0]}
				return spoil(h.icmp(TimeExceeded, 0, 0, before[0].got[0].b[:60]), 23) // its own
			}},
		}},
		{name: "error about nothing", steps: []byteStep{in(ipHead{src: onTheWay, dst: External[0]}.icmp(Unreachable, 3, 0, ipHead{src: External[0], dst: server1}.udp(1, 2, nil)))}},
		{name: "error about a translated packet with options", steps: []byteStep{
			out(with(outward, func(h *ipHead) { h.options = security }).udp(4000, 53, []byte("ping"))), about(0, onTheWay, TimeExceeded, 0, 0, 1000),
		}},
		{name: "error with data behind", steps: []byteStep{out(outward.udp(4000, 53, nil)), {side: Outside, make: func(before []sending) []byte {
			h := ipHead{src: onTheWay, dst: External[0]}
			return h.icmp(TimeExceeded, 0, 0, append(bytes.Clone(before[0].got[0].b), pattern(31)...)) // RFC 4884
		}}}},
	}
	for _, x := range []struct {
		name  string
		first []byte
	}{{"udp", ping}, {"udp without checksum", nosum}, {"echo", echo}, {"tcp", syn}} {
		steps := []byteStep{out(x.first)}
		for _, most := range []int{28, 36, 37, 38, 39, 40, 41, 100, 548, 1400} {
			if x.name == "tcp" && (most == 38 || most == 39) {
				continue // Linux leaves a checksum as it is where the header ends after it
			}
			steps = append(steps, about(0, onTheWay, TimeExceeded, 0, 0, most))
		}
		steps = append(steps,
			about(0, onTheWay, Unreachable, 4, 1280, 548), about(0, onTheWay, Unreachable, 13, 0, 100), about(0, onTheWay, 12, 0, 20<<24, 100),
			about(0, server1, Unreachable, 3, 0, 100), about(0, onTheWay, 4, 0, 0, 100), about(0, onTheWay, 5, 1, 0xc6120063, 100), about(0, onTheWay, TimeExceeded, 0, 0, 27))
		all = append(all, byteCase{name: "errors about " + x.name, steps: steps})
	}
	return all
}

func boxCases() []byteCase {
	optioned := with(atBox, func(h *ipHead) { h.options = security })
	return []byteCase{
		{name: "unsolicited udp", steps: []byteStep{in(atBox.udp(53, 4000, []byte("x"))), in(atBox.udp(53, 4000, pattern(519))), in(atBox.udp(53, 4000, pattern(520))), in(atBox.udp(53, 4000, pattern(521))), in(atBox.udp(53, 4000, pattern(1400)))}},
		{name: "unsolicited udp with tos", steps: []byteStep{
			in(with(atBox, func(h *ipHead) { h.tos = 0x1c }).udp(53, 4000, nil)), in(with(atBox, func(h *ipHead) { h.tos = 0xb8 }).udp(53, 4000, nil)),
			in(with(atBox, func(h *ipHead) { h.tos = 0xe3 }).udp(53, 4000, nil)),
		}},
		{name: "unsolicited udp without checksum", steps: []byteStep{in(set16(atBox.udp(53, 4000, []byte("x")), 26, 0))}},
		{name: "unsolicited udp with a wrong checksum", steps: []byteStep{in(spoil(atBox.udp(53, 4000, []byte("x")), 28))}},
		{name: "unsolicited udp with options", steps: []byteStep{in(optioned.udp(53, 4000, pattern(800)))}},
		{name: "unsolicited udp with ttl 1", steps: []byteStep{in(with(atBox, func(h *ipHead) { h.ttl = 1 }).udp(53, 4000, nil))}},
		{name: "unsolicited udp with df", steps: []byteStep{in(with(atBox, func(h *ipHead) { h.df = true }).udp(53, 4000, nil))}},
		{name: "unsolicited tcp", steps: []byteStep{
			in(atBox.tcp(tcpHead{src: 80, dst: 4000, flags: flagSYN, seq: 100, options: synOptions}, nil)),
			in(with(atBox, func(h *ipHead) { h.tos = 0x28; h.df = true }).tcp(tcpHead{src: 80, dst: 4001, flags: flagSYN, seq: 100}, []byte("early"))),
			in(atBox.tcp(tcpHead{src: 80, dst: 4002, flags: flagACK, seq: 100, ack: 9}, []byte("data"))),
			in(atBox.tcp(tcpHead{src: 80, dst: 4003, flags: flagSYN | flagACK, seq: 100, ack: 9}, nil)),
			in(atBox.tcp(tcpHead{src: 80, dst: 4004, flags: flagFIN | flagACK, seq: 100, ack: 9}, nil)),
			in(atBox.tcp(tcpHead{src: 80, dst: 4005, flags: flagRST, seq: 100}, nil)),
			in(atBox.tcp(tcpHead{src: 80, dst: 4006, flags: flagFIN, seq: 100}, []byte("data"))),
			in(atBox.tcp(tcpHead{src: 80, dst: 4007, flags: 0, seq: 100}, []byte("data"))),
		}},
		{name: "unsolicited tcp with a wrong checksum", steps: []byteStep{in(spoil(atBox.tcp(tcpHead{src: 80, dst: 4000, flags: flagSYN, seq: 100}, nil), 25))}},
		{name: "unsolicited tcp with options", steps: []byteStep{in(optioned.tcp(tcpHead{src: 80, dst: 4000, flags: flagSYN, seq: 100}, nil))}},
		{name: "echo to the box", steps: []byteStep{
			in(atBox.echo(EchoRequest, 7, 1, pattern(57))), in(with(atBox, func(h *ipHead) { h.tos, h.df = 0xb9, true }).echo(EchoRequest, 7, 2, pattern(1400))),
			in(with(atBox, func(h *ipHead) { h.ttl = 1 }).echo(EchoRequest, 7, 3, nil)),
		}},
		{name: "echo to the box with options", steps: []byteStep{in(optioned.echo(EchoRequest, 7, 1, pattern(57)))}},
		{name: "echo to the box with a wrong checksum", steps: []byteStep{in(spoil(atBox.echo(EchoRequest, 7, 1, pattern(57)), 40))}},
		{name: "to the box from the inside in other ways", steps: []byteStep{
			out(with(outward, func(h *ipHead) { h.dst = External[0] }).echo(EchoRequest, 7, 1, pattern(57))),
			out(with(outward, func(h *ipHead) { h.dst = External[0] }).tcp(tcpHead{src: 4000, dst: 80, flags: flagSYN, seq: 100}, nil)),
			out(with(outward, func(h *ipHead) { h.dst = External[0] }).echo(EchoReply, 7, 1, pattern(57))),
		}},
	}
}

// fragmentCases have identifications of their own, as fragments of a case may be left over.
func fragmentCases() []byteCase {
	id := uint16(100)
	datagram := func(n int) []byte {
		id++
		return with(outward, func(h *ipHead) { h.id = id }).udp(4000, 53, pattern(n))
	}
	answer := func(n int) []byte {
		id++
		return with(inward, func(h *ipHead) { h.id = id }).udp(53, 4000, pattern(n))
	}
	steps := func(send func([]byte) byteStep, parts [][]byte, order ...int) (all []byteStep) {
		for _, i := range order {
			all = append(all, send(parts[i]))
		}
		return all
	}
	open := out(outward.udp(4000, 53, nil))
	forbidden := func(n int, df ...bool) [][]byte {
		parts := cutAt(datagram(n), 400, 1200)
		for i := range parts {
			if df[i] {
				parts[i] = resealed(set16(parts[i], 6, wireOrder.Uint16(parts[i][6:])|0x4000))
			}
		}
		return parts
	}
	lost := datagram(1000)
	over := datagram(1000)
	overParts := [][]byte{fragmentOf(over, 0, 400), fragmentOf(over, 392, 800), fragmentOf(over, 800, 1008)}
	inner := datagram(1000)
	same := datagram(1000)
	sized := func(ends ...int) [][]byte { return cutAt(datagram(1900), ends...) }
	short := sized(400, 1200)
	short[0] = resealed(with(outward, func(h *ipHead) { h.mf, h.id, h.ttl, h.proto = true, id, 1, UDP }).packet(short[0][ipHeader:]))
	return []byteCase{
		{name: "fragments", steps: steps(out, cutAt(datagram(1000), 400, 800), 0, 1, 2)},
		{name: "fragments reversed", steps: steps(out, cutAt(datagram(1000), 400, 800), 2, 1, 0)},
		{name: "fragments mixed", steps: steps(out, cutAt(datagram(1000), 400, 800), 1, 2, 0)},
		{name: "fragments of different sizes", steps: steps(out, sized(400, 1200), 0, 1, 2)},
		{name: "fragments of growing sizes", steps: steps(out, sized(64, 200, 600, 1400), 0, 1, 2, 3, 4)},
		{name: "fragments of different sizes reversed", steps: steps(out, sized(64, 200, 600, 1400), 4, 3, 2, 1, 0)},
		{name: "fragments inward", steps: append([]byteStep{open}, steps(in, cutAt(answer(1900), 400, 1200), 0, 1, 2)...)},
		{name: "fragments inward reversed", steps: append([]byteStep{open}, steps(in, cutAt(answer(1900), 400, 1200), 2, 0, 1)...)},
		{name: "fragments for the box", steps: steps(in, cutAt(answer(1900), 400, 1200), 1, 0, 2)},
		{name: "fragments over the mtu", mtu: 600, steps: steps(out, sized(400, 1200), 0, 1, 2)},
		{name: "fragments with df", steps: steps(out, forbidden(1900, true, true, true), 0, 1, 2)},
		{name: "fragments with df here and there", steps: append(steps(out, forbidden(1900, true, false, false), 0, 1, 2), steps(out, forbidden(1900, false, true, false), 0, 1, 2)...)},
		{name: "fragments with df over the mtu", mtu: 600, steps: steps(out, forbidden(1900, true, true, true), 0, 1, 2)},
		{name: "fragments duplicate", steps: steps(out, cutAt(datagram(1000), 400, 800), 0, 0, 1, 1, 2, 2)},
		{name: "fragments overlap", steps: append(steps(out, overParts, 0, 1, 2), steps(out, cutAt(over, 400, 800), 0, 1)...)},
		{name: "fragment within another", steps: []byteStep{
			out(fragmentOf(inner, 0, 400)), out(fragmentOf(inner, 400, 800)), out(fragmentOf(inner, 8, 392)), out(fragmentOf(inner, 392, 408)), out(fragmentOf(inner, 800, 1008)),
		}},
		{name: "fragment twice the end", steps: []byteStep{
			out(fragmentOf(same, 0, 400)), out(fragmentOf(same, 800, 1008)), out(resealed(set16(set16(fragmentOf(same, 800, 1008), 6, 100), 2, 28))), out(fragmentOf(same, 400, 800)),
		}},
		{name: "fragments lost", steps: []byteStep{out(fragmentOf(lost, 0, 400)), out(fragmentOf(lost, 800, 1008)), {giveUp: true}, out(fragmentOf(lost, 400, 800))}},
		{name: "fragments lost inward", steps: []byteStep{open, in(cutAt(answer(1000), 400)[0]), {giveUp: true}}},
		{name: "fragments ttl 1", steps: steps(out, short, 0, 1, 2)},
		{name: "fragments ttl 1 reversed", steps: steps(out, withID(short, 999), 2, 1, 0)},
		{name: "fragments wrong checksum", steps: steps(out, cutAt(spoil(datagram(1000), 500), 400, 800), 0, 1, 2)},
		{name: "fragments of echo", steps: steps(out, cutAt(with(outward, func(h *ipHead) { h.id = 998 }).echo(EchoRequest, 7, 1, pattern(1000)), 400, 800), 2, 0, 1)},
		{name: "fragment in one piece", steps: []byteStep{out(resealed(set16(outward.udp(4000, 53, pattern(16)), 6, 0x2000)))}},
		{name: "fragment without data", steps: []byteStep{out(resealed(set16(outward.packet(nil), 6, 0x2000)))}},
		{name: "fragment of an odd length", steps: []byteStep{out(resealed(set16(outward.udp(4000, 53, pattern(17)), 6, 0x2000)))}},
		{name: "error about fragments", steps: append(steps(out, cutAt(datagram(1000), 400, 800), 0, 1, 2), about(2, onTheWay, TimeExceeded, 0, 0, 100))},
	}
}

// withID gives packets another identification.
func withID(all [][]byte, id uint16) (other [][]byte) {
	for _, b := range all {
		other = append(other, resealed(set16(b, 4, id)))
	}
	return other
}
