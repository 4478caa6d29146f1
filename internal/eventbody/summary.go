package eventbody

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/natproof/natproof/internal/text"
)

// SummaryType is the Content-Type of a Summary.
const SummaryType = "application/simple-message-summary"

// Summary tells of the messages in a mailbox (RFC 3842).
type Summary struct {
	Waiting bool
	Account string // a URI; empty is none
	Counts  []Count
	Headers string // of new messages, as they came: lines that end with CRLF
}

// Count is one line of a Summary: messages of a class such as "Voice-Message".
type Count struct {
	Class     string
	New, Old  uint32
	Urgent    bool // whether there are NewUrgent and OldUrgent
	NewUrgent uint32
	OldUrgent uint32
}

// Voice is the class that phones show.
const Voice = "Voice-Message"

// Of is the count of a class; zero if there is none. Upper and lower case are the same.
func (s Summary) Of(class string) Count {
	i := slices.IndexFunc(s.Counts, func(c Count) bool { return strings.EqualFold(c.Class, class) })
	if i < 0 {
		return Count{Class: class}
	}
	return s.Counts[i]
}

// Write makes the body.
func (s Summary) Write() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("Messages-Waiting: " + yesNo(s.Waiting) + "\r\n")
	if s.Account != "" {
		if text.Value(s.Account) != nil || strings.TrimSpace(s.Account) != s.Account {
			return nil, bad("account %q", s.Account)
		}
		b.WriteString("Message-Account: " + s.Account + "\r\n")
	}
	for _, c := range s.Counts {
		if !isToken(c.Class) || isAny(c.Class, waiting, account) {
			return nil, bad("message class %q", c.Class)
		}
		b.WriteString(c.Class + ": " + c.numbers() + "\r\n")
	}
	if s.Headers != "" {
		if !areLines(s.Headers) {
			return nil, bad("headers are not lines")
		}
		b.WriteString("\r\n" + s.Headers)
	}
	return b.Bytes(), nil
}

func (c Count) numbers() string {
	s := pair(c.New, c.Old)
	if c.Urgent {
		s += " (" + pair(c.NewUrgent, c.OldUrgent) + ")"
	}
	return s
}

func pair(a, b uint32) string {
	return strconv.FormatUint(uint64(a), 10) + "/" + strconv.FormatUint(uint64(b), 10)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

const (
	waiting = "Messages-Waiting"
	account = "Message-Account"
)

// ReadSummary reads a body. Lines may end with LF alone.
func ReadSummary(body []byte) (Summary, error) {
	if len(body) > MaxSize {
		return Summary{}, bad("%d bytes", len(body))
	}
	var s Summary
	head, rest := split(strings.ReplaceAll(string(body), "\r\n", "\n"))
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
		switch {
		case !ok || !isToken(name) || text.Value(value) != nil:
			return Summary{}, bad("line %q", line)
		case (i == 0) != strings.EqualFold(name, waiting): // RFC 3842 section 5.2: first, and once
			return Summary{}, bad("%s is not the first line, and once", waiting)
		case i == 0 && !isAny(value, "yes", "no"):
			return Summary{}, bad("%s is %q", waiting, value)
		case i == 0:
			s.Waiting = strings.EqualFold(value, "yes")
		case i == 1 && strings.EqualFold(name, account) && value != "":
			s.Account = value
		default:
			c, ok := parseCount(value)
			if !ok || isAny(name, account) {
				return Summary{}, bad("line %q", line)
			}
			c.Class = name
			s.Counts = append(s.Counts, c)
		}
	}
	if rest != "" {
		s.Headers = strings.ReplaceAll(strings.TrimSuffix(rest, "\n")+"\n", "\n", "\r\n")
		if !areLines(s.Headers) {
			return Summary{}, bad("a control character in the headers")
		}
	}
	return s, nil
}

// split parts the summary and the headers at the first empty line.
func split(body string) (head, rest string) {
	head, rest, _ = strings.Cut(body, "\n\n")
	return head, rest
}

// parseCount reads "2/8 (0/2)".
func parseCount(v string) (c Count, ok bool) {
	v, urgent, braced := strings.Cut(v, "(")
	if c.New, c.Old, ok = parsePair(v); !ok || !braced {
		return c, ok
	}
	urgent, closed := strings.CutSuffix(strings.Trim(urgent, " \t"), ")")
	c.Urgent = true
	c.NewUrgent, c.OldUrgent, ok = parsePair(urgent)
	return c, ok && closed
}

func parsePair(v string) (a, b uint32, ok bool) {
	left, right, ok := strings.Cut(v, "/")
	if !ok {
		return 0, 0, false
	}
	x, err1 := strconv.ParseUint(strings.Trim(left, " \t"), 10, 32)
	y, err2 := strconv.ParseUint(strings.Trim(right, " \t"), 10, 32)
	return uint32(x), uint32(y), err1 == nil && err2 == nil
}

// areLines says whether s is lines that end with CRLF, without other control characters.
func areLines(s string) bool {
	body, ok := strings.CutSuffix(s, "\r\n")
	if !ok {
		return false
	}
	for line := range strings.SplitSeq(body, "\r\n") {
		if text.Value(line) != nil {
			return false
		}
	}
	return true
}

func isAny(s string, of ...string) bool {
	return slices.ContainsFunc(of, func(o string) bool { return strings.EqualFold(s, o) })
}

// isToken: RFC 3261 section 25.1.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}
