package torture_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/natproof/natproof/internal/torture"
)

// A row is a message with what each role answered.
type row struct {
	torture.Requirement
	answers    []string
	deviations []torture.Deviation
	sipgo      bool
}

func (x row) verdict() string {
	for _, d := range x.deviations {
		if d.Reason != "" {
			return "deviates"
		}
	}
	return "as required"
}

var sections = []struct{ prefix, title string }{
	{"3.1.1.", "3.1.1 Valid messages"},
	{"3.1.2.", "3.1.2 Invalid messages"},
	{"3.2.", "3.2 Transaction layer"},
	{"3.3.", "3.3 Application layer"},
	{"3.4.", "3.4 Backward compatibility"},
}

const head = `<!-- Written by make docs. Do not edit. -->
# The messages of RFC 4475 and what they get

Each of the 49 messages, byte by byte as the RFC has it, is sent to a registrar and proxy of example.com that has
sip:user@example.com bound to a phone, to a gateway that takes every user part for a number, and to a user agent that
answers calls; each in a bubble of its own on a network in memory. *Required* is what RFC 4475 asks for, with the sections of
RFC 3261 behind it; the gateway and the user agent are both endpoints. *well-formed* is forwarded or any final response but
400 and 5xx. Beyond the table, in every case: what is sent is sound SIP, responses go to where the message came from, the
datagram has one counted outcome, and an OPTIONS afterwards is answered.
`

const sipgoHead = `
## sipgo alone

sipgo's parser, asked without package internal/sipmsg around it, neither refuses all that is invalid nor reads all that is
valid; upstream knows (its sip/torture_test.go, from https://github.com/emiago/sipgo/pull/192, has those that fail commented out).
internal/sipmsg judges each message before and after that parser, so that none of this is seen from outside.
`

// page is docs/torture.md.
func page(rows []row) []byte {
	var b bytes.Buffer
	b.WriteString(head)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| message | RFC 4475 | RFC 3261 | required of a registrar and proxy | of endpoints | registrar | gateway | ua | verdict |\n|---|---|---|---|---|---|---|---|---|\n", s.title)
		for _, x := range rows {
			if strings.HasPrefix(x.Name, s.prefix) {
				name := strings.TrimPrefix(x.Name, x.Section()+"-")
				cells := append([]string{x.Section() + " " + name, x.Title + ": " + x.Says, x.RFC3261, alternatives(x.Registrar), alternatives(x.Endpoint)}, x.answers...)
				fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(escaped(cells), " | "), x.verdict())
			}
		}
	}
	b.WriteString("\n## Deviations\n\n")
	some := false
	for _, x := range rows {
		for _, d := range x.deviations {
			if d.Reason != "" {
				some = true
				fmt.Fprintf(&b, "- %s, %s: %s\n", d.Message, d.Role, d.Reason)
			}
		}
	}
	if !some {
		b.WriteString("None.\n")
	}
	b.WriteString(sipgoHead)
	fmt.Fprintf(&b, "\n- reads, though invalid: %s\n- does not read, though valid: %s\n", unlike(rows, true), unlike(rows, false))
	return b.Bytes()
}

// unlike lists the messages whose syntax sipgo's parser takes for the contrary of what it is.
func unlike(rows []row, reads bool) string {
	var list []string
	for _, x := range rows {
		invalid := strings.HasPrefix(x.Name, "3.1.2.") || x.Name == "3.3.8-multi01" || x.Name == "3.3.9-mcl01" || x.Name == "3.3.1-insuf"
		if x.sipgo == reads && invalid == reads {
			list = append(list, x.Name)
		}
	}
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func alternatives(list []string) string { return strings.Join(list, " or ") }

// escaped are cells of a Markdown table.
func escaped(cells []string) []string {
	for i, c := range cells {
		cells[i] = strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`).Replace(c)
	}
	return cells
}
