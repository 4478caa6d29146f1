package conntrack

import (
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/table"
)

// tuple is what a packet is recognised by.
type tuple struct {
	src, dst         table.Addr
	srcPort, dstPort uint16
	protocol         natmodels.Protocol
	kind             uint8 // ICMP type
}

func tupleOf(p *natmodels.Packet, src, dst table.Endpoint) tuple {
	return tuple{src.Addr, dst.Addr, src.Port, dst.Port, p.Protocol, p.Type}
}

// inverse is the tuple of the answer.
func (t tuple) inverse() tuple {
	t.src, t.dst = t.dst, t.src
	t.srcPort, t.dstPort = t.dstPort, t.srcPort
	switch t.protocol {
	case natmodels.ICMP:
		t.kind ^= natmodels.EchoRequest ^ natmodels.EchoReply
	case natmodels.ICMPv6:
		t.kind ^= natmodels.V6EchoRequest ^ natmodels.V6EchoReply
	}
	return t
}

func (t *tuple) source() table.Endpoint { return table.Endpoint{Addr: t.src, Port: t.srcPort} }

func (t *tuple) destination() table.Endpoint { return table.Endpoint{Addr: t.dst, Port: t.dstPort} }

func hashTuple(k *table.HashKey, t *tuple) uint32 {
	ports := uint64(t.srcPort) | uint64(t.dstPort)<<16 | uint64(t.protocol)<<32 | uint64(t.kind)<<40
	return k.Words(t.src, t.dst, ports)
}

func hashKin(k *table.HashKey, s kinKey) uint32 {
	return k.Words(s.endpoint.Addr, table.Addr{}, uint64(s.endpoint.Port)|uint64(s.protocol)<<32)
}
