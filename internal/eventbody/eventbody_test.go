package eventbody_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/natproof/natproof/internal/eventbody"
)

const pidf = `<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:local="urn:example:local" entity="pres:someone@example.com">
  <impp:tuple id="bs35r9">
    <impp:status><impp:basic>open</impp:basic><local:basic>closed</local:basic></impp:status>
    <impp:contact priority="0.8">im:someone@mobile.example.net</impp:contact>
    <impp:note xml:lang="en">Don't Disturb Please!</impp:note>
    <impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp>
  </impp:tuple>
  <impp:tuple id="eg92n8"><impp:status/></impp:tuple>
  <impp:note>I'll be in Tokyo next week</impp:note>
</impp:presence>`

func TestPresence(t *testing.T) {
	p, err := eventbody.ReadPresence([]byte(pidf))
	if err != nil {
		t.Fatal(err)
	}
	want := eventbody.Presence{Entity: "pres:someone@example.com",
		Tuples: []eventbody.Tuple{
			{ID: "bs35r9", Basic: eventbody.Open, Contact: "im:someone@mobile.example.net", Priority: "0.8",
				Notes: []eventbody.Note{{Lang: "en", Text: "Don't Disturb Please!"}}, Timestamp: "2001-10-27T16:49:29Z"},
			{ID: "eg92n8"},
		},
		Notes: []eventbody.Note{{Text: "I'll be in Tokyo next week"}}}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("read %+v", p)
	}
	if !p.Open() {
		t.Error("not open")
	}
	body, err := p.Write()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := eventbody.ReadPresence(body); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("read again %+v, %v", again, err)
	}
}

func TestPresenceRefused(t *testing.T) {
	doc := func(inner string) string {
		return `<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:x="urn:x" entity="sip:a@b">` + inner + `</presence>`
	}
	for name, body := range map[string]string{
		"empty":             "",
		"another namespace": `<presence entity="sip:a@b"/>`,
		"no entity":         `<presence xmlns="urn:ietf:params:xml:ns:pidf"/>`,
		"no id":             doc(`<tuple><status/></tuple>`),
		"one id twice":      doc(`<tuple id="a"><status/></tuple><tuple id="a"><status/></tuple>`),
		"no status":         doc(`<tuple id="a"/>`),
		"half open":         doc(`<tuple id="a"><status><basic>ajar</basic></status></tuple>`),
		"priority":          doc(`<tuple id="a"><status/><contact priority="1.1">sip:a@b</contact></tuple>`),
		"cut":               doc(`<tuple id="a">`)[:90],
		"a second document": doc("") + doc(""),
		"text behind":       doc("") + "x",
		"must understand":   doc(`<x:y xmlns:p="urn:ietf:params:xml:ns:pidf" p:mustUnderstand="1"/>`),
		"in a tuple":        doc(`<tuple id="a"><status/><x:y xmlns:p="urn:ietf:params:xml:ns:pidf" p:mustUnderstand="true"/></tuple>`),
		"too large":         doc(strings.Repeat(" ", eventbody.MaxSize)),
	} {
		if p, err := eventbody.ReadPresence([]byte(body)); !errors.Is(err, eventbody.ErrBody) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for name, p := range map[string]eventbody.Presence{
		"control":     {Entity: "sip:a\x01@b"},
		"not UTF-8":   {Entity: "sip:a@b", Notes: []eventbody.Note{{Text: "\xff"}}},
		"no contact":  {Entity: "sip:a@b", Tuples: []eventbody.Tuple{{ID: "a", Priority: "1"}}},
		"not a basic": {Entity: "sip:a@b", Tuples: []eventbody.Tuple{{ID: "a", Basic: "OPEN"}}},
	} {
		if _, err := p.Write(); !errors.Is(err, eventbody.ErrBody) {
			t.Errorf("%s: written, %v", name, err)
		}
	}
}

const mwi = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\n" +
	"Voice-Message: 4/8 (1/2)\r\nfax-message: 0/1\r\n\r\nTo: <alice@example.com>\r\nSubject: carpool\r\n"

func TestSummary(t *testing.T) {
	s, err := eventbody.ReadSummary([]byte(mwi))
	if err != nil {
		t.Fatal(err)
	}
	want := eventbody.Summary{Waiting: true, Account: "sip:alice@vmail.example.com",
		Counts: []eventbody.Count{
			{Class: "Voice-Message", New: 4, Old: 8, Urgent: true, NewUrgent: 1, OldUrgent: 2},
			{Class: "fax-message", Old: 1}},
		Headers: "To: <alice@example.com>\r\nSubject: carpool\r\n"}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("read %+v", s)
	}
	if s.Of("Fax-Message").Old != 1 || s.Of("none") != (eventbody.Count{Class: "none"}) {
		t.Error("classes")
	}
	if body, err := s.Write(); err != nil || string(body) != mwi {
		t.Errorf("wrote %q, %v", body, err)
	}
}

func TestSummaryRead(t *testing.T) {
	for body, ok := range map[string]bool{
		"Messages-Waiting: no\r\n":                             true,
		"messages-waiting:YES":                                 true,
		"Messages-Waiting: no\nVoice-Message: 0 / 0 ( 0 / 0 )": true,
		"":                            false,
		"Voice-Message: 1/0\r\n":      false,
		"Messages-Waiting: maybe\r\n": false,
		"Messages-Waiting: no\r\nMessages-Waiting: no\r\n":      false,
		"Messages-Waiting: no\r\nVoice-Message: 1\r\n":          false,
		"Messages-Waiting: no\r\nVoice-Message: -1/0\r\n":       false,
		"Messages-Waiting: no\r\nVoice-Message: 4294967296/0":   false,
		"Messages-Waiting: no\r\nVoice-Message: 1/0 (0/0\r\n":   false,
		"Messages-Waiting: no\r\nMessage-Account:\r\n":          false,
		"Messages-Waiting: no\r\nVoice Message: 1/0\r\n":        false,
		"Messages-Waiting: no\r\n\r\nTo: \x00\r\n":              false,
		"Messages-Waiting: no\r\nA: 0/0\r\nMessage-Account: a":  false,
		"Messages-Waiting: no\r\nVoice-Message: 1/0\x01\r\n":    false,
		"Messages-Waiting: yes\r\nVoice-Message: 1/0 (0/0) x\n": false,
	} {
		if s, err := eventbody.ReadSummary([]byte(body)); (err == nil) != ok || err != nil && !errors.Is(err, eventbody.ErrBody) {
			t.Errorf("%q: %+v, %v", body, s, err)
		}
	}
	for _, s := range []eventbody.Summary{
		{Account: "a\r\nb"}, {Counts: []eventbody.Count{{Class: ""}}}, {Counts: []eventbody.Count{{Class: "Message-Account"}}}, {Headers: "a"},
	} {
		if b, err := s.Write(); !errors.Is(err, eventbody.ErrBody) {
			t.Errorf("%+v: wrote %q, %v", s, b, err)
		}
	}
}

// FuzzPresence: what can be read can be written, and reads back the same.
func FuzzPresence(f *testing.F) {
	f.Add([]byte(pidf))
	f.Add([]byte(`<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:a@b"><tuple id="&#13;a"><status><basic>closed</basic></status></tuple></presence>`))
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, b, eventbody.ReadPresence, eventbody.Presence.Write) })
}

// FuzzSummary: as FuzzPresence.
func FuzzSummary(f *testing.F) {
	f.Add([]byte(mwi))
	f.Add([]byte("Messages-Waiting: no\n"))
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, b, eventbody.ReadSummary, eventbody.Summary.Write) })
}

func roundTrip[T any](t *testing.T, b []byte, read func([]byte) (T, error), write func(T) ([]byte, error)) {
	first, err := read(b)
	if err != nil {
		return
	}
	body, err := write(first)
	if err != nil {
		t.Fatalf("read %+v, not written: %v", first, err)
	}
	if len(body) > eventbody.MaxSize {
		return // escapes are longer
	}
	if again, err := read(body); err != nil || !reflect.DeepEqual(first, again) {
		t.Fatalf("read %+v, wrote %q, read %+v, %v", first, body, again, err)
	}
}
