package sipalg

import (
	"slices"
	"strings"
)

// Changes names the lines of a message that an ALG changed, each once, in their order:
// header fields by their long names, lines of a session description as "c=", and
// "the request line".
func Changes(before, after []byte) []string {
	was, is := strings.Split(string(before), "\r\n"), strings.Split(string(after), "\r\n")
	var names []string
	body := false
	for i, line := range is {
		body = body || line == ""
		if i < len(was) && was[i] == line {
			continue
		}
		if name := lineName(line, i, body); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func lineName(line string, at int, body bool) string {
	switch {
	case at == 0:
		return "the request line"
	case body:
		name, value, _ := strings.Cut(line, "=")
		if a, _, ok := strings.Cut(value, ":"); ok && name == "a" {
			return "a=" + a
		}
		return name + "="
	}
	name := fieldName(line)
	if long, ok := headings[name]; ok {
		return long
	}
	return name
}

// headings are the names as one writes them.
var headings = map[string]string{
	"via": "Via", "contact": "Contact", "route": "Route", "record-route": "Record-Route",
	"content-length": "Content-Length",
}
