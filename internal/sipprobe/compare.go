package sipprobe

import (
	"bytes"
	"strconv"
	"strings"
)

// A Change is a line that is not as it was sent.
type Change struct {
	Line    string `json:"line"`    // the header field, or "c=" of a session description, "a=rtcp", "first line"
	Sent    string `json:"sent"`    // empty if it was added on the way
	Arrived string `json:"arrived"` // empty if it was taken out
}

// Compare lists what is not as it was sent, byte by byte: no change is listed if and only if
// both are the same.
func Compare(sent, arrived []byte) []Change {
	if bytes.Equal(sent, arrived) {
		return nil
	}
	was, is := split(sent), split(arrived)
	var changes []Change
	for _, h := range differ(was, is) {
		changes = append(changes, pair(was[h.from:h.to], is[h.at:h.end])...)
	}
	if len(changes) == 0 { // the same lines, with other ends
		changes = []Change{{Line: "line ends"}}
	}
	return changes
}

// A line of a message, and what it is called.
type line struct{ name, text string }

func split(b []byte) []line {
	var list []line
	body := false
	for i, text := range strings.Split(strings.ReplaceAll(string(b), "\r\n", "\n"), "\n") {
		l := line{text: text}
		switch {
		case i == 0:
			l.name = "first line"
		case body:
			l.name = sdpName(text)
		case text == "":
			body = true
		default:
			l.name = fieldName(text)
		}
		list = append(list, l)
	}
	return list
}

func sdpName(text string) string {
	name, value, _ := strings.Cut(text, "=")
	if a, _, ok := strings.Cut(value, ":"); ok && name == "a" {
		return "a=" + a
	}
	return name + "="
}

// compact are the short names (RFC 3261 §7.3.3), long the usual way to write them.
var (
	compact = map[string]string{"v": "via", "m": "contact", "c": "content-type", "l": "content-length", "f": "from", "t": "to", "i": "call-id"}
	long    = map[string]string{
		"via": "Via", "contact": "Contact", "content-type": "Content-Type", "content-length": "Content-Length", "from": "From",
		"to": "To", "call-id": "Call-ID", "cseq": "CSeq", "max-forwards": "Max-Forwards", "expires": "Expires",
	}
)

func fieldName(text string) string {
	name, _, _ := strings.Cut(text, ":")
	name = strings.ToLower(strings.TrimSpace(name))
	if l, ok := compact[name]; ok {
		name = l
	}
	if l, ok := long[name]; ok {
		return l
	}
	return name
}

// A hunk is lines that became others.
type hunk struct{ from, to, at, end int }

// maxLines is more than a message has; what has more is one hunk.
const maxLines = 200

// differ finds what changed by the longest list of lines that both have.
func differ(was, is []line) []hunk {
	if len(was) > maxLines || len(is) > maxLines {
		return []hunk{{0, len(was), 0, len(is)}}
	}
	common := make([][]int, len(was)+1)
	for i := range common {
		common[i] = make([]int, len(is)+1)
	}
	for i := len(was) - 1; i >= 0; i-- {
		for j := len(is) - 1; j >= 0; j-- {
			if was[i] == is[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var hunks []hunk
	h := hunk{}
	for i, j := 0, 0; ; {
		same := i < len(was) && j < len(is) && was[i] == is[j]
		over := i == len(was) && j == len(is)
		if same || over {
			if h.to > h.from || h.end > h.at {
				hunks = append(hunks, h)
			}
			if over {
				return hunks
			}
			i, j = i+1, j+1
			h = hunk{i, i, j, j}
			continue
		}
		if j == len(is) || i < len(was) && common[i+1][j] >= common[i][j+1] {
			i++
		} else {
			j++
		}
		h.to, h.end = i, j
	}
}

// pair puts what was and what is under one name together.
func pair(was, is []line) []Change {
	var changes []Change
	taken := make([]bool, len(is))
	for _, w := range was {
		c := Change{Line: w.name, Sent: w.text}
		for j, l := range is {
			if !taken[j] && l.name == w.name {
				c.Arrived, taken[j] = l.text, true
				break
			}
		}
		changes = append(changes, c)
	}
	for j, l := range is {
		if !taken[j] {
			changes = append(changes, Change{Line: l.name, Arrived: l.text})
		}
	}
	return changes
}

// WrongLength says whether Content-Length is not that of the body.
func WrongLength(b []byte) bool {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return false
	}
	for _, text := range strings.Split(string(head), "\r\n") {
		if fieldName(text) == "Content-Length" {
			_, value, _ := strings.Cut(text, ":")
			n, err := strconv.Atoi(strings.TrimSpace(value))
			return err != nil || n != len(body)
		}
	}
	return false
}
