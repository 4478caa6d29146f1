package eventbody

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// DialogInfoType is the Content-Type of a DialogInfo.
const DialogInfoType = "application/dialog-info+xml"

const dialogSpace = "urn:ietf:params:xml:ns:dialog-info"

// DialogInfo tells of somebody's dialogs (RFC 4235 section 4).
type DialogInfo struct {
	Entity  string // whose, a URI
	Version uint32 // one more with each document of a subscription
	Partial bool   // only what has changed; otherwise all dialogs that there are
	Dialogs []Dialog
}

// Dialog is one of them. Whatever is empty is not known.
type Dialog struct {
	ID                          string // unlike all others
	CallID, LocalTag, RemoteTag string
	Direction                   string // "initiator" or "recipient"
	State                       string // "trying", "proceeding", "early", "confirmed" or "terminated"
	Local, Remote               string // URIs of both ends
}

// Write makes the document.
func (d DialogInfo) Write() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	state := "full"
	if d.Partial {
		state = "partial"
	}
	w := writer{}
	w.b.WriteString(xml.Header)
	w.start("dialog-info", "xmlns", dialogSpace, "version", strconv.FormatUint(uint64(d.Version), 10), "state", state, "entity", d.Entity)
	for _, x := range d.Dialogs {
		w.start("dialog", "id", x.ID, "call-id", x.CallID, "local-tag", x.LocalTag, "remote-tag", x.RemoteTag, "direction", x.Direction)
		w.element("state", x.State)
		w.side("local", x.Local)
		w.side("remote", x.Remote)
		w.end("dialog")
	}
	w.end("dialog-info")
	w.b.WriteByte('\n')
	return w.b.Bytes(), nil
}

func (w *writer) side(name, uri string) {
	if uri != "" {
		w.start(name)
		w.element("identity", uri)
		w.end(name)
	}
}

func (d DialogInfo) check() error {
	if d.Entity == "" {
		return bad("dialog-info has no entity")
	}
	ids := map[string]bool{}
	texts := []string{d.Entity}
	for _, x := range d.Dialogs {
		switch {
		case x.ID == "":
			return bad("a dialog has no id")
		case ids[x.ID]:
			return bad("two dialogs have the id %q", x.ID)
		case !isOne(x.Direction, "", "initiator", "recipient"):
			return bad("direction is %q", x.Direction)
		case !isOne(x.State, "trying", "proceeding", "early", "confirmed", "terminated"):
			return bad("state is %q", x.State)
		}
		ids[x.ID] = true
		texts = append(texts, x.ID, x.CallID, x.LocalTag, x.RemoteTag, x.Local, x.Remote)
	}
	for _, s := range texts {
		if !isXML(s) {
			return bad("%q has a character that XML has not", s)
		}
	}
	return nil
}

func isOne(s string, of ...string) bool {
	for _, o := range of {
		if s == o {
			return true
		}
	}
	return false
}

// ReadDialogInfo reads a document.
func ReadDialogInfo(body []byte) (DialogInfo, error) {
	var x struct {
		XMLName xml.Name `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
		Entity  string   `xml:"entity,attr"`
		Version string   `xml:"version,attr"`
		State   string   `xml:"state,attr"`
		Dialogs []struct {
			ID        string `xml:"id,attr"`
			CallID    string `xml:"call-id,attr"`
			LocalTag  string `xml:"local-tag,attr"`
			RemoteTag string `xml:"remote-tag,attr"`
			Direction string `xml:"direction,attr"`
			State     string `xml:"urn:ietf:params:xml:ns:dialog-info state"`
			Local     side   `xml:"urn:ietf:params:xml:ns:dialog-info local"`
			Remote    side   `xml:"urn:ietf:params:xml:ns:dialog-info remote"`
		} `xml:"urn:ietf:params:xml:ns:dialog-info dialog"`
	}
	if err := readXML(body, &x); err != nil {
		return DialogInfo{}, err
	}
	version, err := strconv.ParseUint(strings.TrimSpace(x.Version), 10, 32)
	if err != nil {
		return DialogInfo{}, bad("version is %q", x.Version)
	}
	if !isOne(x.State, "full", "partial") {
		return DialogInfo{}, bad("dialog-info is %q, neither full nor partial", x.State)
	}
	d := DialogInfo{Entity: strings.TrimSpace(x.Entity), Version: uint32(version), Partial: x.State == "partial"}
	for _, e := range x.Dialogs {
		d.Dialogs = append(d.Dialogs, Dialog{
			ID: e.ID, CallID: e.CallID, LocalTag: e.LocalTag, RemoteTag: e.RemoteTag, Direction: e.Direction,
			State: strings.TrimSpace(e.State), Local: strings.TrimSpace(e.Local.Identity), Remote: strings.TrimSpace(e.Remote.Identity),
		})
	}
	if err := d.check(); err != nil {
		return DialogInfo{}, err
	}
	return d, nil
}

type side struct {
	Identity string `xml:"urn:ietf:params:xml:ns:dialog-info identity"`
}
