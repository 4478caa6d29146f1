package ippacket

import "github.com/natproof/natproof/natmodels"

// DecTTL takes a hop off the TTL, or hop limit. A packet with none to spare is TTLExceeded
// and stays as it is (RFC 1812 section 5.3.1, RFC 8200 section 3).
func (v *View) DecTTL(b []byte) error {
	if v.TTL <= 1 {
		return TTLExceeded
	}
	v.TTL--
	if v.Version == 6 {
		b[7] = v.TTL
		return nil
	}
	var d delta
	old := be.Uint16(b[8:])
	b[8] = v.TTL
	d = change(old, be.Uint16(b[8:]))
	be.PutUint16(b[10:], d.update(be.Uint16(b[10:])))
	return nil
}

// ReplaceUDPPayload gives a datagram another payload, which may be longer or shorter and may
// lie in b, and returns the packet: in b if its capacity suffices. What IP carried beyond the
// datagram is gone. A missing checksum of UDP stays missing (RFC 768); the view is that of
// the new packet.
func (v *View) ReplaceUDPPayload(b, payload []byte) ([]byte, error) {
	length := udpHeader + len(payload)
	total := v.HeaderLen + length
	switch {
	case v.Packet.Protocol != natmodels.UDP || v.Fragmented():
		return b, NotUDP
	case v.Version == 4 && total > maxLen || v.Version == 6 && total-header6 > maxLen:
		return b, TooLong
	case v.routed:
		return b, SourceRouted
	}
	if total <= cap(b) {
		b = b[:total]
	} else {
		b = append(make([]byte, 0, total), b[:v.PayloadAt]...)[:total]
	}
	copy(b[v.PayloadAt:], payload)
	v.Len, v.PayloadEnd = total, total
	v.setLen(b)
	l := b[v.HeaderLen:]
	be.PutUint16(l[4:], uint16(length))
	if be.Uint16(l[6:]) != 0 {
		seal(b, v.HeaderLen, natmodels.UDP)
	}
	return b, nil
}

// setLen writes the length of the packet into its header.
func (v *View) setLen(b []byte) {
	if v.Version == 6 {
		be.PutUint16(b[4:], uint16(v.Len-header6))
		return
	}
	var d delta
	d.put16(b[2:], uint16(v.Len))
	if d != 0 {
		be.PutUint16(b[10:], d.update(be.Uint16(b[10:])))
	}
}
