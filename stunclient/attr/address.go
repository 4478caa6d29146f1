package attr

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	pion "github.com/pion/stun/v3"
)

const (
	familyIPv4 = 0x01
	familyIPv6 = 0x02
)

// An Address is an attribute in the format of MAPPED-ADDRESS (RFC 8489 section
// 14.1): MAPPED-ADDRESS itself, OTHER-ADDRESS, RESPONSE-ORIGIN, and
// RESPONSE-ADDRESS, SOURCE-ADDRESS, CHANGED-ADDRESS, REFLECTED-FROM of RFC 3489.
type Address struct {
	Type pion.AttrType
	netip.AddrPort
}

// AddTo implements pion's Setter.
func (a Address) AddTo(m *pion.Message) error {
	v, err := encode(a.Type, a.AddrPort)
	if err != nil {
		return err
	}
	m.Add(a.Type, v)
	return nil
}

// GetFrom implements pion's Getter.
func (a *Address) GetFrom(m *pion.Message) error {
	v, err := get(m, a.Type)
	if err != nil {
		return err
	}
	addr, ok := decode(v)
	if !ok {
		return badValue(a.Type, v)
	}
	a.AddrPort = addr
	return nil
}

// XORMapped is XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
type XORMapped struct{ netip.AddrPort }

// AddTo implements pion's Setter. The message must have its transaction id.
func (x XORMapped) AddTo(m *pion.Message) error {
	v, err := encode(pion.AttrXORMappedAddress, x.AddrPort)
	if err != nil {
		return err
	}
	xor(v, m)
	m.Add(pion.AttrXORMappedAddress, v)
	return nil
}

// GetFrom implements pion's Getter.
func (x *XORMapped) GetFrom(m *pion.Message) error {
	v, err := get(m, pion.AttrXORMappedAddress)
	if err != nil {
		return err
	}
	plain := append([]byte(nil), v...)
	xor(plain, m)
	addr, ok := decode(plain)
	if !ok {
		return badValue(pion.AttrXORMappedAddress, v)
	}
	x.AddrPort = addr
	return nil
}

// xor hides or reveals port and address with the cookie and the transaction id.
func xor(v []byte, m *pion.Message) {
	id := NewID(m.TransactionID)
	for i := 2; i < len(v) && i < 4; i++ {
		v[i] ^= id[i-2]
	}
	for i := 4; i < len(v) && i < 4+len(id); i++ {
		v[i] ^= id[i-4]
	}
}

func encode(t pion.AttrType, a netip.AddrPort) ([]byte, error) {
	if !a.Addr().IsValid() {
		return nil, fmt.Errorf("%w: %s: no address", ErrValue, Name(t))
	}
	ip := a.Addr().Unmap().AsSlice()
	v := make([]byte, 4, 4+len(ip))
	v[1] = familyIPv4
	if len(ip) == net.IPv6len {
		v[1] = familyIPv6
	}
	binary.BigEndian.PutUint16(v[2:], a.Port())
	return append(v, ip...), nil
}

func decode(v []byte) (netip.AddrPort, bool) {
	if len(v) < 4 {
		return netip.AddrPort{}, false
	}
	// The first byte MUST be ignored by receivers (RFC 8489 section 14.1).
	if !(v[1] == familyIPv4 && len(v) == 4+net.IPv4len || v[1] == familyIPv6 && len(v) == 4+net.IPv6len) {
		return netip.AddrPort{}, false
	}
	ip, ok := netip.AddrFromSlice(v[4:])
	return netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(v[2:])), ok
}

// FromNet turns a net.Addr of a UDP socket into a netip.AddrPort, IPv4-mapped
// IPv6 addresses into IPv4.
func FromNet(a net.Addr) (netip.AddrPort, bool) {
	var ap netip.AddrPort
	switch a := a.(type) {
	case nil:
		return ap, false
	case *net.UDPAddr:
		if a == nil {
			return ap, false
		}
		ap = a.AddrPort()
	default:
		p, err := netip.ParseAddrPort(a.String())
		if err != nil {
			return ap, false
		}
		ap = p
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), ap.IsValid()
}
