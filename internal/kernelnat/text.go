package kernelnat

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Step's Data may have in it what is known only under way: {A} is the address of a
// host, {#3} the endpoint that the packet of step 3 left the router with, {#3.port} its
// port, {length} the length of what follows the first empty line.
var placeholder = regexp.MustCompile(`\{(#(\d+)(\.port)?|[A-Za-z0-9]+)\}`)

// fill returns the payload of a step; ok is false if it refers to a packet that did
// not arrive.
func (r *Run) fill(data string) (payload []byte, ok bool) {
	ok = true
	text := placeholder.ReplaceAllStringFunc(data, func(word string) string {
		m := placeholder.FindStringSubmatch(word)
		if m[2] != "" {
			number, _ := strconv.Atoi(m[2])
			e, seen := r.endpoint(Endpoint{Seen: number})
			ok = ok && seen
			if m[3] != "" {
				return strconv.Itoa(int(e.Port()))
			}
			return e.String()
		}
		if h, err := parseHost(m[1]); err == nil {
			return r.Place.Addr(h).String()
		}
		return word
	})
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	return []byte(strings.ReplaceAll(text, "{length}", strconv.Itoa(len(body)))), ok
}

// references returns the steps that a text refers to.
func references(data string) []int {
	var all []int
	for _, m := range placeholder.FindAllStringSubmatch(data, -1) {
		if m[2] != "" {
			n, _ := strconv.Atoi(m[2])
			all = append(all, n)
		}
	}
	return all
}

// renumber changes the steps that a text refers to.
func renumber(data string, number []int) string {
	return placeholder.ReplaceAllStringFunc(data, func(word string) string {
		m := placeholder.FindStringSubmatch(word)
		if m[2] == "" {
			return word
		}
		n, _ := strconv.Atoi(m[2])
		return fmt.Sprintf("{#%d%s}", number[n], m[3])
	})
}

var (
	addressWord = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)
	numberWord  = regexp.MustCompile(`\d+`)
	announced   = regexp.MustCompile(Ext.String() + `:(\d+)`)
)

// numbers returns those in a payload that could be ports.
func numbers(data []byte) []uint16 {
	var all []uint16
	for _, word := range numberWord.FindAll(data, -1) {
		if port, err := strconv.ParseUint(string(word), 10, 16); err == nil {
			all = append(all, uint16(port))
		}
	}
	return all
}

// text names the hosts and ports in a payload as those of packets are.
func (n *naming) text(data []byte, kept []uint16) string {
	if data == nil {
		return ""
	}
	var hosts []string
	for h := A; h <= Ext; h++ {
		hosts = append(hosts, n.place.Addr(h).String())
	}
	data = addressWord.ReplaceAllFunc(data, func(word []byte) []byte {
		if h := slices.Index(hosts, string(word)); h >= 0 {
			return []byte(Host(h).String())
		}
		return word
	})
	for _, m := range announced.FindAllSubmatch(data, -1) {
		for _, port := range numbers(m[1]) {
			n.port(UDP, port, kept)
		}
	}
	data = numberWord.ReplaceAllFunc(data, func(word []byte) []byte {
		port, err := strconv.ParseUint(string(word), 10, 16)
		if name, ok := n.names[uint16(port)]; ok && err == nil {
			return []byte(name)
		}
		return word
	})
	return " " + strconv.Quote(string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))))
}
