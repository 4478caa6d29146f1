package eventbody_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/natproof/natproof/internal/eventbody"
)

const dialogs = `<?xml version="1.0"?>
<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="7" state="partial" entity="sip:alice@example.com">
  <dialog id="as7d900as8" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="456887766" direction="initiator">
    <state event="rejected" code="603">terminated</state>
    <duration>274</duration>
    <local><identity display="Alice">sip:alice@example.com</identity><target uri="sip:alice@192.0.2.1"/></local>
    <remote><identity>sip:bob@example.org</identity></remote>
  </dialog>
  <dialog id="zxcnm3"><state>early</state></dialog>
</dialog-info>`

func TestDialogInfo(t *testing.T) {
	d, err := eventbody.ReadDialogInfo([]byte(dialogs))
	if err != nil {
		t.Fatal(err)
	}
	want := eventbody.DialogInfo{Entity: "sip:alice@example.com", Version: 7, Partial: true, Dialogs: []eventbody.Dialog{
		{ID: "as7d900as8", CallID: "a84b4c76e66710", LocalTag: "1928301774", RemoteTag: "456887766", Direction: "initiator", State: "terminated",
			Local: "sip:alice@example.com", Remote: "sip:bob@example.org"},
		{ID: "zxcnm3", State: "early"},
	}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("read %+v", d)
	}
	body, err := d.Write()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := eventbody.ReadDialogInfo(body); err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("read again %+v, %v", again, err)
	}
}

func TestDialogInfoRefused(t *testing.T) {
	doc := func(attributes, inner string) string {
		return `<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" ` + attributes + `>` + inner + `</dialog-info>`
	}
	const good = `version="0" state="full" entity="sip:a@b"`
	for name, body := range map[string]string{
		"no version":  doc(`state="full" entity="sip:a@b"`, ""),
		"no state":    doc(`version="0" entity="sip:a@b"`, ""),
		"no entity":   doc(`version="0" state="full"`, ""),
		"no id":       doc(good, `<dialog><state>early</state></dialog>`),
		"an id twice": doc(good, `<dialog id="a"><state>early</state></dialog><dialog id="a"><state>early</state></dialog>`),
		"which state": doc(good, `<dialog id="a"><state>late</state></dialog>`),
		"direction":   doc(good, `<dialog id="a" direction="up"><state>early</state></dialog>`),
		"other kind":  pidf,
	} {
		if d, err := eventbody.ReadDialogInfo([]byte(body)); !errors.Is(err, eventbody.ErrBody) {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if _, err := (eventbody.DialogInfo{Entity: "sip:a\x00@b"}).Write(); !errors.Is(err, eventbody.ErrBody) {
		t.Error("a control character was written")
	}
}

// FuzzDialogInfo: as FuzzPresence.
func FuzzDialogInfo(f *testing.F) {
	f.Add([]byte(dialogs))
	f.Fuzz(func(t *testing.T, b []byte) {
		roundTrip(t, b, eventbody.ReadDialogInfo, eventbody.DialogInfo.Write)
	})
}
