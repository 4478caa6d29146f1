package attr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	pion "github.com/pion/stun/v3"
)

// HeaderSize is the length of a STUN header in bytes (RFC 8489 section 5).
const HeaderSize = 20

// Cookie is the magic cookie (RFC 8489 section 5).
const Cookie = 0x2112A442

// What can be wrong with a datagram that should be a STUN message.
var (
	ErrShort      = errors.New("attr: decode: shorter than a header")
	ErrNotSTUN    = errors.New("attr: decode: the first two bits are not zero")
	ErrLength     = errors.New("attr: decode: the length field does not match the datagram")
	ErrAttributes = errors.New("attr: decode: malformed attributes")
)

// An ID is a transaction id together with the four bytes before it: the magic
// cookie and 96 bits, or the 128 bits of RFC 3489.
type ID [16]byte

// NewID makes an RFC 8489 id of 96 random bits.
func NewID(random [12]byte) ID {
	var id ID
	binary.BigEndian.PutUint32(id[:4], Cookie)
	copy(id[4:], random[:])
	return id
}

// Legacy says that there is no magic cookie: the sender speaks RFC 3489.
func (id ID) Legacy() bool { return binary.BigEndian.Uint32(id[:4]) != Cookie }

// AddTo implements pion's Setter. It writes the whole id, the first four bytes
// included, so it also makes RFC 3489 messages.
func (id ID) AddTo(m *pion.Message) error {
	copy(m.TransactionID[:], id[4:])
	copy(m.Raw[4:HeaderSize], id[:])
	return nil
}

// A Header is what the first 20 bytes of a message say.
type Header struct {
	Type pion.MessageType
	ID   ID
}

// ParseHeader reads the header of a datagram and checks it against the
// datagram's length. It does not look at attributes.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, ErrShort
	}
	if b[0]&0xC0 != 0 { // RFC 8489 section 5: the most significant 2 bits MUST be zeroes
		return Header{}, ErrNotSTUN
	}
	length := int(binary.BigEndian.Uint16(b[2:4]))
	if length%4 != 0 || HeaderSize+length != len(b) {
		return Header{}, ErrLength
	}
	var h Header
	h.Type.ReadValue(binary.BigEndian.Uint16(b[0:2]))
	copy(h.ID[:], b[4:HeaderSize])
	return h, nil
}

// Decode reads a whole datagram. If the header is sound the returned Header is
// valid even when the error is ErrAttributes. Attributes that follow
// MESSAGE-INTEGRITY are left out unless they may stand there (RFC 8489 section
// 14.5). The message does not share memory with b.
func Decode(b []byte) (Header, *pion.Message, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return h, nil, err
	}
	m := pion.NewWithOptions(pion.WithStrict(true))
	m.Raw = append(m.Raw[:0], b...)
	binary.BigEndian.PutUint32(m.Raw[4:8], Cookie) // pion reads no other messages
	if err := m.Decode(); err != nil {
		return h, nil, fmt.Errorf("%w: %w", ErrAttributes, err)
	}
	copy(m.Raw[4:8], h.ID[:4])
	return h, m, nil
}

// CheckFingerprint verifies FINGERPRINT if the message has one: it must be the
// last attribute and its value right (RFC 8489 section 14.7).
func CheckFingerprint(m *pion.Message) error {
	if !m.Contains(pion.AttrFingerprint) {
		return nil
	}
	if last := m.Attributes[len(m.Attributes)-1]; last.Type != pion.AttrFingerprint {
		return fmt.Errorf("attr: %w: not the last attribute", pion.ErrFingerprintMismatch)
	}
	if err := pion.Fingerprint.Check(m); err != nil {
		return fmt.Errorf("attr: %w", err)
	}
	return nil
}

// Unknown lists the comprehension-required attributes of m that known does not
// accept, each once, in the order of the message (RFC 8489 section 14.9).
func Unknown(m *pion.Message, known func(pion.AttrType) bool) []pion.AttrType {
	var unknown []pion.AttrType
	for _, a := range m.Attributes {
		if a.Type.Required() && !known(a.Type) && !slices.Contains(unknown, a.Type) {
			unknown = append(unknown, a.Type)
		}
	}
	return unknown
}

// Basic says whether t is a comprehension-required attribute of RFC 8489
// section 18.3 itself, which every agent knows.
func Basic(t pion.AttrType) bool {
	switch t {
	case pion.AttrMappedAddress, pion.AttrUsername, pion.AttrMessageIntegrity, pion.AttrErrorCode,
		pion.AttrUnknownAttributes, pion.AttrRealm, pion.AttrNonce, pion.AttrXORMappedAddress,
		pion.AttrMessageIntegritySHA256, pion.AttrPasswordAlgorithm, pion.AttrUserhash:
		return true
	}
	return false
}

// Classic says whether t is an attribute of RFC 3489 section 11.2.
func Classic(t pion.AttrType) bool {
	return t >= pion.AttrMappedAddress && t <= ReflectedFromType
}
