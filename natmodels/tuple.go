package natmodels

// tuple is what a packet is recognised by.
type tuple struct {
	src, dst         addr
	srcPort, dstPort uint16
	protocol         Protocol
	kind             uint8 // ICMP type
}

func tupleOf(p *Packet, src, dst endpoint) tuple {
	return tuple{src.addr, dst.addr, src.port, dst.port, p.Protocol, p.Type}
}

// inverse is the tuple of the answer.
func (t tuple) inverse() tuple {
	t.src, t.dst = t.dst, t.src
	t.srcPort, t.dstPort = t.dstPort, t.srcPort
	switch t.protocol {
	case ICMP:
		t.kind ^= EchoRequest ^ EchoReply
	case ICMPv6:
		t.kind ^= V6EchoRequest ^ V6EchoReply
	}
	return t
}

func (t *tuple) source() endpoint      { return endpoint{t.src, t.srcPort} }
func (t *tuple) destination() endpoint { return endpoint{t.dst, t.dstPort} }

func (k *hashKey) tuple(t *tuple) uint32 {
	ports := uint64(t.srcPort) | uint64(t.dstPort)<<16 | uint64(t.protocol)<<32 | uint64(t.kind)<<40
	return k.words(t.src, t.dst, ports)
}

func (k *hashKey) shared(s kinKey) uint32 {
	return k.words(s.endpoint.addr, addr{}, uint64(s.endpoint.port)|uint64(s.protocol)<<32)
}
