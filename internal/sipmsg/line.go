package sipmsg

import "strings"

// Version is the one version of SIP (RFC 3261 §7.1).
const Version = "SIP/2.0"

// StartLine is the first line of a message (RFC 3261 §7.1, §7.2).
type StartLine struct {
	Method string // as written: methods are case-sensitive; empty in a response
	URI    string // as written; empty in a response
	Status int    // 0 in a request
	Reason string // the reason phrase, which may be empty
	// Version as written, which may be another than SIP/2.0.
	Version string
}

// ParseStartLine reads a first line without its line end; false if it is neither a
// request line nor a status line. Nothing is said of the URI but that it has no blank.
func ParseStartLine(line string) (StartLine, bool) {
	first, rest, ok := strings.Cut(line, " ")
	second, third, more := strings.Cut(rest, " ")
	if !ok || !more || hasLineEnd(line) {
		return StartLine{}, false
	}
	if isVersion(first) {
		if len(second) != 3 || !digits(second) || second < "100" || second > "699" {
			return StartLine{}, false
		}
		code := int(second[0]-'0')*100 + int(second[1]-'0')*10 + int(second[2]-'0')
		return StartLine{Status: code, Reason: third, Version: first}, true
	}
	if !IsToken(first) || second == "" || !isVersion(third) {
		return StartLine{}, false
	}
	return StartLine{Method: first, URI: second, Version: third}, true
}

// isVersion recognises "SIP/" and two numbers, without regard to case (RFC 3261 §25.1).
func isVersion(s string) bool {
	name, number, ok := strings.Cut(s, "/")
	major, minor, dot := strings.Cut(number, ".")
	return ok && dot && strings.EqualFold(name, "SIP") && digits(major) && digits(minor)
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// hasLineEnd says whether there is a CR or an LF in s.
func hasLineEnd(s string) bool {
	return strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\n') >= 0
}

// IsToken recognises a token (RFC 3261 §25.1), which method names are.
func IsToken(s string) bool {
	for i := range len(s) {
		if !isTokenChar(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenChar(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-.!%*_+`'~", c) >= 0
}
