package sipmsg

import (
	"strconv"
	"strings"
)

// SessionExpires is the value of that header field (RFC 4028 §4).
type SessionExpires struct {
	Seconds   uint32
	Refresher string // "uac", "uas" or empty
}

// String is the value as it is written.
func (s SessionExpires) String() string {
	v := strconv.FormatUint(uint64(s.Seconds), 10)
	if s.Refresher != "" {
		v += ";refresher=" + s.Refresher
	}
	return v
}

// ParseSessionExpires reads "1800;refresher=uac". Other parameters are passed over.
func ParseSessionExpires(v string) (SessionExpires, bool) {
	number, params, _ := Cut(v, ';')
	number = trim(number)
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || !digits(number) {
		return SessionExpires{}, false
	}
	s := SessionExpires{Seconds: uint32(n)}
	if r, ok := Param(params, "refresher"); ok {
		s.Refresher = strings.ToLower(r)
		if s.Refresher != "uac" && s.Refresher != "uas" {
			return SessionExpires{}, false
		}
	}
	return s, true
}

// RAck is the value of that header field: which response a PRACK is for (RFC 3262 §7.2).
type RAck struct {
	RSeq uint32
	CSeq CSeq
}

// String is the value as it is written.
func (r RAck) String() string { return strconv.FormatUint(uint64(r.RSeq), 10) + " " + r.CSeq.String() }

// ParseRAck reads "776656 1 INVITE".
func ParseRAck(v string) (RAck, bool) {
	number, cseq := trim(v), ""
	if i := strings.IndexAny(number, LWS); i >= 0 {
		number, cseq = number[:i], number[i:]
	}
	n, ok := ParseRSeq(number)
	if !ok {
		return RAck{}, false
	}
	c, ok := ParseCSeq(cseq)
	return RAck{n, c}, ok
}

// ParseRSeq reads the number of a reliable response, which is not 0 (RFC 3262 §7.1).
func ParseRSeq(v string) (uint32, bool) {
	v = trim(v)
	n, err := strconv.ParseUint(v, 10, 32)
	return uint32(n), err == nil && digits(v) && n > 0
}

// Lists says whether a list of tokens, such as those of Supported or Allow, has one.
func Lists(m interface{ Values(string) []string }, field, token string) bool {
	for _, v := range m.Values(field) {
		if strings.EqualFold(v, token) {
			return true
		}
	}
	return false
}
