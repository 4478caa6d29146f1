package torture

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

//go:embed required.txt
var required string

//go:embed deviations.txt
var deviations string

// Requirement is what RFC 4475 asks of whoever gets one of the messages. Registrar and Endpoint
// are the answers that will do, in the words of required.txt.
type Requirement struct {
	Name, Title         string
	RFC3261, Says       string
	Registrar, Endpoint []string
}

// Section is that of RFC 4475.
func (r Requirement) Section() string {
	section, _, _ := strings.Cut(r.Name, "-")
	return section
}

// Requirements returns those of required.txt, in its order.
func Requirements() []Requirement {
	list, err := ParseRequirements(required)
	if err != nil {
		panic(err) // it is part of the program
	}
	return list
}

// ParseRequirements reads text as in required.txt.
func ParseRequirements(text string) ([]Requirement, error) {
	var list []Requirement
	for i, line := range strings.Split(text, "\n") {
		bad := func(why string) ([]Requirement, error) {
			return nil, fmt.Errorf("torture: requirements: line %d: %s: %q", i+1, why, line)
		}
		field, indented := strings.CutPrefix(line, "\t")
		switch {
		case line == "" || line[0] == '#':
			continue
		case !indented:
			name, title, ok := strings.Cut(line, " ")
			if !ok {
				return bad("no title")
			}
			list = append(list, Requirement{Name: name, Title: title})
			continue
		case len(list) == 0:
			return bad("before the first message")
		}
		key, value, _ := strings.Cut(field, ": ")
		r := &list[len(list)-1]
		switch key {
		case "rfc3261":
			r.RFC3261 = value
		case "says":
			r.Says = value
		case "registrar", "endpoint":
			answers := strings.Split(value, " or ")
			for _, a := range answers {
				if !sound.MatchString(a) {
					return bad("no answer")
				}
			}
			if key == "registrar" {
				r.Registrar = answers
			} else {
				r.Endpoint = answers
			}
		default:
			return bad("no such field")
		}
	}
	return list, nil
}

// sound is an answer as it may be required.
var sound = regexp.MustCompile(`^(forwarded|well-formed|dropped: \w+|[2-6]\d\d( [\w-]+: .+)?)$`)

// Answer is what one of the messages got. The zero value is no answer that anybody counted.
type Answer struct {
	Code      int    // of the final response, or 0
	Reason    string // its reason phrase
	Response  string // the whole of it
	Forwarded bool
	Dropped   string // as what, if it was counted as dropped: malformed, unmatched
}

func (a Answer) String() string {
	switch {
	case a.Forwarded:
		return "forwarded"
	case a.Code != 0:
		return strconv.Itoa(a.Code) + " " + a.Reason
	case a.Dropped != "":
		return "dropped: " + a.Dropped
	}
	return "nothing"
}

// Meets says whether an answer is one of those that will do.
func (a Answer) Meets(required []string) bool {
	for _, r := range required {
		if a.meets(r) {
			return true
		}
	}
	return false
}

func (a Answer) meets(required string) bool {
	switch required {
	case "forwarded", "dropped: malformed", "dropped: unmatched":
		return a.String() == required
	case "well-formed":
		return a.Forwarded || a.Code >= 200 && a.Code != 400 && a.Code/100 != 5
	}
	code, field, _ := strings.Cut(required, " ")
	return a.Code != 0 && strconv.Itoa(a.Code) == code && a.has(field)
}

// has says whether a response has each value of a header field, "" being none.
func (a Answer) has(field string) bool {
	name, values, _ := strings.Cut(field, ": ")
	var there strings.Builder
	head, _, _ := strings.Cut(a.Response, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n") {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.EqualFold(k, name) {
			there.WriteString(v + ",")
		}
	}
	for _, v := range strings.Split(values, ", ") {
		if !strings.Contains(there.String(), v) {
			return false
		}
	}
	return true
}

// Deviation is an answer that is known not to be a required one, with the reason. Role is
// registrar, gateway or ua.
type Deviation struct{ Message, Role, Reason string }

// Deviations returns the known ones.
func Deviations() []Deviation {
	var list []Deviation
	for line := range strings.Lines(deviations) {
		if f := strings.SplitN(strings.TrimSpace(line), " ", 3); len(f) == 3 && f[0] != "#" {
			list = append(list, Deviation{f[0], f[1], f[2]})
		}
	}
	return list
}
