// Package torture has the test messages of RFC 4475 §3, byte by byte, for tests of whatever
// reads SIP, and what the RFC asks of whoever gets them. Its own tests send them to a registrar,
// a gateway and a user agent, and write the answers into docs/torture.md. It is not for programs.
package torture

import (
	"embed"
	"strings"
)

//go:embed rfc4475/*.sip
var files embed.FS

// Message is one of them, named by its section and title there: "3.1.1.1-wsinv".
type Message struct {
	Name string
	Data []byte
}

// Messages returns all of them, in the order of their names. The bytes are the caller's.
func Messages() []Message {
	entries, err := files.ReadDir("rfc4475")
	if err != nil {
		panic(err) // they are part of the program
	}
	list := make([]Message, len(entries))
	for i, e := range entries {
		b, err := files.ReadFile("rfc4475/" + e.Name())
		if err != nil {
			panic(err)
		}
		list[i] = Message{strings.TrimSuffix(e.Name(), ".sip"), b}
	}
	return list
}
