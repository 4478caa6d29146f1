package attr

import (
	"encoding/binary"
	"errors"
	"fmt"

	pion "github.com/pion/stun/v3"
)

// Attributes of RFC 3489 section 11.2 that pion/stun does not name.
const (
	ResponseAddressType pion.AttrType = 0x0002 // RESPONSE-ADDRESS
	PasswordType        pion.AttrType = 0x0007 // PASSWORD
	ReflectedFromType   pion.AttrType = 0x000B // REFLECTED-FROM
)

// ErrNotFound means that the message does not have the attribute.
var ErrNotFound = pion.ErrAttributeNotFound

// ErrValue means that the message has the attribute with a value it cannot have.
var ErrValue = errors.New("attr: bad attribute value")

func get(m *pion.Message, t pion.AttrType) ([]byte, error) {
	v, err := m.Get(t)
	if err != nil {
		return nil, absent(t) // all that pion says
	}
	return v, nil
}

// absent is ErrNotFound, of an attribute. Most attributes are absent from most messages, so
// it has no text until somebody reads it.
type absent pion.AttrType

func (a absent) Error() string {
	return fmt.Sprintf("attr: %s: %v", Name(pion.AttrType(a)), ErrNotFound)
}
func (a absent) Unwrap() error { return ErrNotFound }

func badValue(t pion.AttrType, v []byte) error {
	return fmt.Errorf("%w: %s of %d bytes: %x", ErrValue, Name(t), len(v), v[:min(len(v), 20)])
}

// ChangeRequest is CHANGE-REQUEST: answer from the other address, the other
// port, or both (RFC 5780 section 7.2).
type ChangeRequest struct{ IP, Port bool }

const (
	changeIP   = 0x04
	changePort = 0x02
)

// AddTo implements pion's Setter. It adds the attribute even if no flag is set.
func (c ChangeRequest) AddTo(m *pion.Message) error {
	var v [4]byte
	if c.IP {
		v[3] |= changeIP
	}
	if c.Port {
		v[3] |= changePort
	}
	m.Add(pion.AttrChangeRequest, v[:])
	return nil
}

// GetFrom implements pion's Getter.
func (c *ChangeRequest) GetFrom(m *pion.Message) error {
	v, err := get(m, pion.AttrChangeRequest)
	if err != nil {
		return err
	}
	if len(v) != 4 {
		return badValue(pion.AttrChangeRequest, v)
	}
	c.IP, c.Port = v[3]&changeIP != 0, v[3]&changePort != 0
	return nil
}

// ResponsePort is RESPONSE-PORT: answer to the source address and this port
// (RFC 5780 section 7.5).
type ResponsePort uint16

// AddTo implements pion's Setter: 16 bits and two bytes of padding.
func (p ResponsePort) AddTo(m *pion.Message) error {
	var v [4]byte
	binary.BigEndian.PutUint16(v[:], uint16(p))
	m.Add(pion.AttrResponsePort, v[:])
	return nil
}

// GetFrom implements pion's Getter. A value of two bytes is accepted too: some
// agents count the padding as STUN's own.
func (p *ResponsePort) GetFrom(m *pion.Message) error {
	v, err := get(m, pion.AttrResponsePort)
	if err != nil {
		return err
	}
	if len(v) != 4 && len(v) != 2 {
		return badValue(pion.AttrResponsePort, v)
	}
	*p = ResponsePort(binary.BigEndian.Uint16(v))
	return nil
}

// Padding is PADDING: that many bytes of no meaning, which make the message as
// long as a path should be tested for (RFC 5780 section 7.6).
type Padding int

// MaxPadding is the longest PADDING that a UDP datagram over IPv4 has room for.
const MaxPadding = 65507 - HeaderSize - 4

// AddTo implements pion's Setter. The length is rounded up to a multiple of four.
func (p Padding) AddTo(m *pion.Message) error {
	if p < 0 || p > MaxPadding {
		return fmt.Errorf("attr: padding of %d bytes: want 0 to %d", int(p), MaxPadding)
	}
	m.Add(pion.AttrPadding, make([]byte, (int(p)+3)&^3))
	return nil
}

// GetFrom implements pion's Getter.
func (p *Padding) GetFrom(m *pion.Message) error {
	v, err := get(m, pion.AttrPadding)
	if err != nil {
		return err
	}
	*p = Padding(len(v))
	return nil
}

var names = map[pion.AttrType]string{
	pion.AttrChangeRequest:  "CHANGE-REQUEST",
	pion.AttrPadding:        "PADDING",
	pion.AttrResponsePort:   "RESPONSE-PORT",
	pion.AttrCacheTimeout:   "CACHE-TIMEOUT",
	pion.AttrResponseOrigin: "RESPONSE-ORIGIN",
	pion.AttrOtherAddress:   "OTHER-ADDRESS",
	pion.AttrSourceAddress:  "SOURCE-ADDRESS",
	pion.AttrChangedAddress: "CHANGED-ADDRESS",
	ResponseAddressType:     "RESPONSE-ADDRESS",
	PasswordType:            "PASSWORD",
	ReflectedFromType:       "REFLECTED-FROM",
}

// Name is the registered name of an attribute, or its number if it has none here.
func Name(t pion.AttrType) string {
	if s, ok := names[t]; ok {
		return s
	}
	if t.Known() {
		return t.String()
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}
