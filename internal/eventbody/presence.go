package eventbody

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// PresenceType is the Content-Type of a Presence.
const PresenceType = "application/pidf+xml"

const pidfSpace = "urn:ietf:params:xml:ns:pidf"

// Presence is a presence document (RFC 3863 section 4.1.1).
type Presence struct {
	Entity string // whose presence it is, a URI
	Tuples []Tuple
	Notes  []Note
}

// Tuple is one way to reach the presentity (RFC 3863 section 4.1.2).
type Tuple struct {
	ID        string // unlike all others of the document
	Basic     Basic
	Contact   string // a URI; empty is none
	Priority  string // of the contact, from 0 to 1 (section 4.1.5); empty is none
	Notes     []Note
	Timestamp string // RFC 3339; empty is none
}

// Note is text for people (RFC 3863 section 4.1.6).
type Note struct{ Lang, Text string }

// Basic is a tuple's status (RFC 3863 section 4.1.4); "" is none.
type Basic string

const (
	Open   Basic = "open"   // ready to accept messages
	Closed Basic = "closed" // not ready
)

// Open says whether any tuple is open.
func (p Presence) Open() bool {
	for _, t := range p.Tuples {
		if t.Basic == Open {
			return true
		}
	}
	return false
}

// Write makes the document.
func (p Presence) Write() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	w := writer{}
	w.b.WriteString(xml.Header)
	w.start("presence", "xmlns", pidfSpace, "entity", p.Entity)
	for _, t := range p.Tuples {
		w.start("tuple", "id", t.ID)
		w.start("status")
		if t.Basic != "" {
			w.element("basic", string(t.Basic))
		}
		w.end("status")
		if t.Contact != "" {
			w.element("contact", t.Contact, "priority", t.Priority)
		}
		w.notes(t.Notes)
		if t.Timestamp != "" {
			w.element("timestamp", t.Timestamp)
		}
		w.end("tuple")
	}
	w.notes(p.Notes)
	w.end("presence")
	w.b.WriteByte('\n')
	return w.b.Bytes(), nil
}

func (p Presence) check() error {
	if p.Entity == "" {
		return bad("presence has no entity")
	}
	ids := map[string]bool{}
	texts := []string{p.Entity}
	for _, t := range p.Tuples {
		switch {
		case t.ID == "":
			return bad("a tuple has no id")
		case ids[t.ID]:
			return bad("two tuples have the id %q", t.ID)
		case t.Basic != "" && t.Basic != Open && t.Basic != Closed:
			return bad("basic is %q, neither open nor closed", t.Basic)
		case t.Priority != "" && !isQvalue(t.Priority):
			return bad("priority is %q, not from 0 to 1", t.Priority)
		case t.Priority != "" && t.Contact == "":
			return bad("tuple %q has a priority and no contact", t.ID)
		}
		ids[t.ID] = true
		texts = append(texts, t.ID, t.Contact, t.Timestamp)
		texts = append(texts, textsOf(t.Notes)...)
	}
	for _, s := range append(texts, textsOf(p.Notes)...) {
		if !isXML(s) {
			return bad("%q has a character that XML has not", s)
		}
	}
	return nil
}

func textsOf(notes []Note) (texts []string) {
	for _, n := range notes {
		texts = append(texts, n.Text, n.Lang)
	}
	return texts
}

// isQvalue: 0 or 1 with up to three decimals.
func isQvalue(s string) bool {
	whole, decimals, _ := strings.Cut(s, ".")
	if whole != "0" && whole != "1" || len(decimals) > 3 {
		return false
	}
	return strings.Trim(decimals, "0") == "" || whole == "0" && strings.Trim(decimals, "0123456789") == ""
}

// isXML says whether s can be the text of an element (XML 1.0 section 2.2).
func isXML(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) < 0
}

// ReadPresence reads a document.
func ReadPresence(body []byte) (Presence, error) {
	var x xmlPresence
	if err := readXML(body, &x); err != nil {
		return Presence{}, err
	}
	if x.Others.mandatory() {
		return Presence{}, bad("presence has an extension that must be understood")
	}
	p := Presence{Entity: strings.TrimSpace(x.Entity), Notes: notesOf(x.Notes)}
	for _, t := range x.Tuples {
		if t.Others.mandatory() || t.Status != nil && t.Status.Others.mandatory() {
			return Presence{}, bad("tuple %q has an extension that must be understood", t.ID)
		}
		if t.Status == nil { // section 4.1.2: exactly one
			return Presence{}, bad("tuple %q has no status", t.ID)
		}
		p.Tuples = append(p.Tuples, Tuple{
			ID: strings.TrimSpace(t.ID), Basic: Basic(strings.TrimSpace(t.Status.Basic)),
			Contact: strings.TrimSpace(t.Contact.URI), Priority: strings.TrimSpace(t.Contact.Priority),
			Notes: notesOf(t.Notes), Timestamp: strings.TrimSpace(t.Timestamp),
		})
	}
	if err := p.check(); err != nil {
		return Presence{}, err
	}
	return p, nil
}

type xmlPresence struct {
	XMLName xml.Name   `xml:"urn:ietf:params:xml:ns:pidf presence"`
	Entity  string     `xml:"entity,attr"`
	Tuples  []xmlTuple `xml:"urn:ietf:params:xml:ns:pidf tuple"`
	Notes   []xmlNote  `xml:"urn:ietf:params:xml:ns:pidf note"`
	Others  extensions `xml:",any"`
}

type xmlTuple struct {
	ID        string     `xml:"id,attr"`
	Status    *xmlStatus `xml:"urn:ietf:params:xml:ns:pidf status"`
	Contact   xmlContact `xml:"urn:ietf:params:xml:ns:pidf contact"`
	Notes     []xmlNote  `xml:"urn:ietf:params:xml:ns:pidf note"`
	Timestamp string     `xml:"urn:ietf:params:xml:ns:pidf timestamp"`
	Others    extensions `xml:",any"`
}

type xmlStatus struct {
	Basic  string     `xml:"urn:ietf:params:xml:ns:pidf basic"`
	Others extensions `xml:",any"`
}

type xmlContact struct {
	Priority string `xml:"priority,attr"`
	URI      string `xml:",chardata"`
}

type xmlNote struct {
	Lang string `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Text string `xml:",chardata"`
}

// extensions are elements of other namespaces.
type extensions []struct {
	MustUnderstand string `xml:"urn:ietf:params:xml:ns:pidf mustUnderstand,attr"`
}

func (e extensions) mandatory() bool {
	for _, x := range e {
		if v := strings.TrimSpace(x.MustUnderstand); v == "true" || v == "1" {
			return true
		}
	}
	return false
}

func notesOf(notes []xmlNote) (list []Note) {
	for _, n := range notes {
		list = append(list, Note{Lang: n.Lang, Text: n.Text})
	}
	return list
}

// readXML reads the one element that a body is.
func readXML(body []byte, into any) error {
	if len(body) > MaxSize {
		return bad("%d bytes", len(body))
	}
	dec := xml.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(into); err != nil {
		return bad("%w", err)
	}
	for {
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bad("%w", err)
		}
		switch t := t.(type) {
		case xml.Comment, xml.ProcInst:
			continue
		case xml.CharData:
			if len(bytes.TrimSpace(t)) == 0 {
				continue
			}
		}
		return bad("something follows the document")
	}
}

// writer writes XML.
type writer struct{ b bytes.Buffer }

func (w *writer) start(name string, attrs ...string) {
	w.b.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		if attrs[i+1] == "" {
			continue
		}
		w.b.WriteString(" " + attrs[i] + `="`)
		w.text(attrs[i+1])
		w.b.WriteByte('"')
	}
	w.b.WriteByte('>')
}

func (w *writer) end(name string) { w.b.WriteString("</" + name + ">") }

func (w *writer) element(name, text string, attrs ...string) {
	w.start(name, attrs...)
	w.text(text)
	w.end(name)
}

func (w *writer) text(s string) { _ = xml.EscapeText(&w.b, []byte(s)) } // a Buffer takes all

func (w *writer) notes(notes []Note) {
	for _, n := range notes {
		w.element("note", n.Text, "xml:lang", n.Lang)
	}
}
