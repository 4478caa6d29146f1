package report

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"github.com/natproof/natproof/vnet"
)

// Trace writes events one a line, in a form that two runs with one seed write to the
// byte:
//
//	AT KIND BOX PACKET LENGTH SOURCE -> DESTINATION [was SOURCE -> DESTINATION] [REASON] WHAT DIGEST [| DETAIL]
//
// AT is in nanoseconds of virtual time since the lab started; PACKET is #id, and #id<#parent
// for a duplicate or an answer; LENGTH is of the payload in bytes; WHAT is the first line of
// a SIP message, or the protocol and what matters of it; DIGEST is of the whole payload.
// What endpoints draw at random (branches, tags, Call-IDs, transaction identifiers, SSRCs,
// nonces, session identifiers) is written, and taken into the digest, as a number in the
// order of first appearance; RTP sequence numbers and timestamps as the distance from the
// first of their source. It returns the error of w, if there is one.
func Trace(w io.Writer, events []vnet.Event) error {
	out := bufio.NewWriter(w)
	n := newNormalizer()
	for _, e := range events {
		writeEvent(out, e, n)
	}
	return out.Flush()
}

func writeEvent(out *bufio.Writer, e vnet.Event, n *normalizer) {
	fmt.Fprintf(out, "%d %s %s", e.At.Nanoseconds(), e.Kind, e.Box)
	if e.Kind != vnet.Changed {
		fmt.Fprintf(out, " #%d", e.Packet)
		if e.Parent != 0 {
			fmt.Fprintf(out, "<#%d", e.Parent)
		}
		fmt.Fprintf(out, " %d %v -> %v", len(e.Payload), e.Src, e.Dst)
		if e.Kind == vnet.Translated {
			fmt.Fprintf(out, " was %v -> %v", e.FromSrc, e.FromDst)
		}
		if e.Kind == vnet.Dropped {
			fmt.Fprintf(out, " %s", e.Reason)
		}
		fmt.Fprintf(out, " %s", n.describe(e))
	}
	if e.Detail != "" {
		fmt.Fprintf(out, " | %s", oneLine(n.sip(e.Detail)))
	}
	out.WriteByte('\n')
}

// digest is enough of a SHA-256 to tell payloads of one trace apart.
func digest(content string) []byte {
	sum := sha256.Sum256([]byte(content))
	return sum[:6]
}

// oneLine keeps text from a payload on its line: whatever is not printable, and what would
// be taken for it, is escaped.
func oneLine(s string) string {
	plain := func(r rune) bool { return r >= ' ' && r <= '~' && r != '\\' }
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	quoted := fmt.Sprintf("%+q", s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
