package stunclient

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/internal/text"
	"github.com/natproof/natproof/stunclient/attr"
)

// A Response is a Binding success response. Addresses a server did not send
// are the zero value.
type Response struct {
	Mapped         netip.AddrPort // MAPPED-ADDRESS
	XORMapped      netip.AddrPort // XOR-MAPPED-ADDRESS
	OtherAddress   netip.AddrPort // OTHER-ADDRESS, or CHANGED-ADDRESS of RFC 3489
	ResponseOrigin netip.AddrPort // RESPONSE-ORIGIN, or SOURCE-ADDRESS of RFC 3489
	ReflectedFrom  netip.AddrPort // REFLECTED-FROM of RFC 3489

	From    netip.AddrPort // where the response came from
	Message *pion.Message  // all of it
	RTT     time.Duration  // from the first request to the response
	Sends   int            // requests sent until then; with more than one, RTT is an upper bound
}

// Address is the client's address as the server saw it: XORMapped, or Mapped if
// there is no other.
func (r Response) Address() netip.AddrPort {
	if r.XORMapped.IsValid() {
		return r.XORMapped
	}
	return r.Mapped
}

// knownInResponse says which comprehension-required attributes this client
// understands. Some servers send RFC 3489's addresses to everybody.
func knownInResponse(legacy bool) func(pion.AttrType) bool {
	return func(t pion.AttrType) bool {
		switch t {
		case pion.AttrSourceAddress, pion.AttrChangedAddress, pion.AttrChangeRequest, pion.AttrPadding, pion.AttrResponsePort:
			return true
		}
		return attr.Basic(t) || legacy && attr.Classic(t)
	}
}

// parse reads a message whose transaction id matched. decodeErr is what reading
// its attributes said.
func parse(m *pion.Message, decodeErr error, legacy bool) (Response, error) {
	r := Response{Message: m}
	if decodeErr != nil {
		return r, fmt.Errorf("%w: %w", ErrBadResponse, decodeErr)
	}
	if unknown := attr.Unknown(m, knownInResponse(legacy)); unknown != nil {
		names := make([]string, len(unknown))
		for i, t := range unknown {
			names[i] = attr.Name(t)
		}
		return r, fmt.Errorf("%w: %s", ErrUnknownAttributes, strings.Join(names, ", "))
	}
	if m.Type.Class == pion.ClassErrorResponse {
		return r, parseError(m, r)
	}
	var xor attr.XORMapped
	if err := ignoreMissing(xor.GetFrom(m)); err != nil {
		return r, err
	}
	r.XORMapped = xor.AddrPort
	for _, a := range []struct {
		into  *netip.AddrPort
		types []pion.AttrType
	}{
		{&r.Mapped, []pion.AttrType{pion.AttrMappedAddress}},
		{&r.OtherAddress, []pion.AttrType{pion.AttrOtherAddress, pion.AttrChangedAddress}},
		{&r.ResponseOrigin, []pion.AttrType{pion.AttrResponseOrigin, pion.AttrSourceAddress}},
		{&r.ReflectedFrom, []pion.AttrType{attr.ReflectedFromType}},
	} {
		if err := firstAddress(m, a.into, a.types); err != nil {
			return r, err
		}
	}
	if !r.Address().IsValid() {
		return r, fmt.Errorf("%w: neither XOR-MAPPED-ADDRESS nor MAPPED-ADDRESS", ErrBadResponse)
	}
	return r, nil
}

func firstAddress(m *pion.Message, into *netip.AddrPort, types []pion.AttrType) error {
	for _, t := range types {
		a := attr.Address{Type: t}
		if err := ignoreMissing(a.GetFrom(m)); err != nil {
			return err
		}
		if a.IsValid() {
			*into = a.AddrPort
			return nil
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if err == nil || errors.Is(err, attr.ErrNotFound) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrBadResponse, err)
}

// parseError reads an error response (RFC 8489 section 6.3.4).
func parseError(m *pion.Message, r Response) error {
	var code pion.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return fmt.Errorf("%w: ERROR-CODE: %w", ErrBadResponse, err)
	}
	if code.Code < 300 || code.Code > 699 { // RFC 8489 section 14.8
		return fmt.Errorf("%w: ERROR-CODE %d", ErrBadResponse, int(code.Code))
	}
	e := &ErrorResponse{Code: int(code.Code), Reason: strings.TrimRight(text.Printable(string(code.Reason)), " "), Response: r}
	if code.Code == pion.CodeUnknownAttribute {
		var unknown pion.UnknownAttributes
		if err := unknown.GetFrom(m); err == nil {
			e.Unknown = unknown
		}
	}
	if code.Code == pion.CodeTryAlternate {
		if err := firstAddress(m, &e.Alternate, []pion.AttrType{pion.AttrAlternateServer}); err != nil {
			return err
		}
	}
	return e
}
