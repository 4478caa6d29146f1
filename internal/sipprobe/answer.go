package sipprobe

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"strings"
)

// Seen is what an answer tells besides the question.
type Seen struct {
	Source netip.AddrPort // where the question came from
	Server netip.AddrPort // who was asked, as it knows itself
	Other  netip.AddrPort // another address and port to ask, if there is one
}

// What is wrong with a question or an answer.
var (
	ErrTooLong = errors.New("sipprobe: the answer would be longer than the question")
	ErrAnswer  = errors.New("sipprobe: no answer to a probe, or one that was changed beyond reading")
	errSilent  = errors.New("sipprobe: an ACK has no answer")
)

// IsAck says whether a question is an ACK, which has no answer.
func IsAck(b []byte) bool { return bytes.HasPrefix(b, []byte("ACK ")) }

const attribute = "a=x-natproof:"

var alphabet = base64.RawURLEncoding

// Answer is the answer to a question as it arrived.
func Answer(question []byte, seen Seen) ([]byte, error) {
	if IsAck(question) {
		return nil, errSilent
	}
	code := encode(question, seen)
	answer := write(question, seen, code)
	if len(answer) > len(question) {
		return nil, fmt.Errorf("%w: %d and %d bytes", ErrTooLong, len(answer), len(question))
	}
	return answer, nil
}

// encode is the word that carries a question and what was seen: a checksum, and both compressed.
func encode(question []byte, seen Seen) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression) // its only error is another level
	fmt.Fprintf(w, "%s %s %s\n%s", word(seen.Source), word(seen.Server), word(seen.Other), question)
	_ = w.Close()
	return fmt.Sprintf("%08x.%s", crc32.ChecksumIEEE(b.Bytes()), alphabet.EncodeToString(b.Bytes()))
}

func word(a netip.AddrPort) string {
	if !a.IsValid() {
		return "-"
	}
	return a.String()
}

// maxQuestion is more than a datagram has.
const maxQuestion = 1 << 16

func decode(code string) (question []byte, seen Seen, err error) {
	sum, text, _ := strings.Cut(code, ".")
	packed, err := alphabet.DecodeString(text)
	if err != nil || fmt.Sprintf("%08x", crc32.ChecksumIEEE(packed)) != sum {
		return nil, seen, ErrAnswer
	}
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxQuestion+256))
	first, question, ok := bytes.Cut(plain, []byte("\n"))
	words := strings.Split(string(first), " ")
	if err != nil || !ok || len(words) != 3 || len(question) > maxQuestion {
		return nil, seen, ErrAnswer
	}
	for i, a := range []*netip.AddrPort{&seen.Source, &seen.Server, &seen.Other} {
		if words[i] == "-" && i == 2 {
			continue
		}
		if *a, err = netip.ParseAddrPort(words[i]); err != nil {
			return nil, seen, ErrAnswer
		}
	}
	return question, seen, nil
}

// write makes the answer of the word in it, which must not be made again: another compressor
// may find another one.
func write(question []byte, seen Seen, code string) []byte {
	head, _, _ := bytes.Cut(question, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	method, _, _ := strings.Cut(lines[0], " ")
	var h strings.Builder
	switch method { // an INVITE fails, so that no ALG takes it for a call
	case "INVITE":
		h.WriteString("SIP/2.0 488 Not Acceptable Here\r\n")
	default:
		h.WriteString("SIP/2.0 200 OK\r\n")
	}
	first := true
	for _, line := range lines[1:] {
		switch name := fieldName(line); name {
		case "Via":
			if first {
				line = seenVia(line, seen.Source)
			}
			first = false
			fallthrough
		case "From", "Call-ID", "CSeq":
			h.WriteString(line + "\r\n")
		case "To":
			if !strings.Contains(line, ";tag=") {
				line += ";tag=natproof"
			}
			h.WriteString(line + "\r\n")
		case "Contact":
			if method == "REGISTER" { // RFC 3261 §10.3 step 8
				h.WriteString(line + ";expires=60\r\n")
			}
		}
	}
	if method != "REGISTER" {
		fmt.Fprintf(&h, "Contact: <sip:natproof@%s>\r\n", seen.Server)
	}
	h.WriteString("Content-Type: application/sdp\r\n")
	body := describe(seen.Server.Addr(), 40000) + attribute + code + "\r\n"
	fmt.Fprintf(&h, "Content-Length: %d\r\n\r\n", len(body))
	return []byte(h.String() + body)
}

// seenVia is a Via with where it came from (RFC 3261 §18.2.1, RFC 3581 §4).
func seenVia(line string, from netip.AddrPort) string {
	seen := fmt.Sprintf(";received=%s;rport=%d", from.Addr(), from.Port())
	if i := strings.Index(line, ";rport"); i >= 0 && !strings.HasPrefix(line[i+len(";rport"):], "=") {
		return line[:i] + seen + line[i+len(";rport"):]
	}
	return line + seen
}

// A Reading is what an answer tells.
type Reading struct {
	Seen
	Question []byte // as it arrived there
	Sent     []byte // the answer as it left there
	Status   int
}

// Read reads an answer as it arrived here.
func Read(b []byte) (Reading, error) {
	var status int
	if _, err := fmt.Sscanf(string(b[:min(len(b), 12)]), "SIP/2.0 %3d", &status); err != nil {
		return Reading{}, ErrAnswer
	}
	_, code, ok := strings.Cut(string(b), attribute)
	if !ok {
		return Reading{Status: status}, ErrAnswer
	}
	if end := strings.IndexAny(code, "\r\n"); end >= 0 {
		code = code[:end]
	}
	question, seen, err := decode(code)
	if err != nil {
		return Reading{Status: status}, err
	}
	return Reading{Seen: seen, Question: question, Sent: write(question, seen, code), Status: status}, nil
}
