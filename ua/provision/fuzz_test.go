package provision_test

import (
	"testing"

	"github.com/natproof/natproof/ua/provision"
)

func FuzzXML(f *testing.F) {
	for _, name := range []string{"amun.xml", "amun-as-published.xml", "everything.xml"} {
		f.Add(text(f, name), true)
	}
	f.Add([]byte(`<provision key="k" name='n'><user uri="sip:a@b" allowedauth="digest"/><sipsrv addr="[::1]:1" protocol="tcp" role="registrar"/></provision>`), false)
	f.Fuzz(func(t *testing.T, b []byte, lenient bool) {
		d, err := provision.Options{Lenient: lenient}.Parse(b)
		judge(t, d, err)
	})
}

func FuzzYAML(f *testing.F) {
	f.Add(text(f, "amun.yaml"), true)
	for _, d := range []provision.Document{amun(), everything()} {
		b, err := d.YAML()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
	}
	f.Add([]byte("key: *a\nname: !!str n\nuser: &a {uri: [sip:a@b]}\nsipsrv: [1, {addr: \"x\"}]\n? a\n: b\n--- |\n x\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, lenient bool) {
		d, err := provision.Options{Lenient: lenient}.ParseYAML(b)
		judge(t, d, err)
	})
}

// judge: what was read can be written in both notations and read again; what was not is
// Problems, in order, each with a place in the text or about the whole.
func judge(t *testing.T, d provision.Document, err error) {
	if err == nil {
		bothForms(t, d)
		return
	}
	all, ok := err.(provision.Problems)
	if !ok || len(all) == 0 {
		t.Fatalf("%T: %v", err, err)
	}
	for i, p := range all {
		if p.Err == nil || p.Line < 0 || p.Line > 0 && p.Column < 1 {
			t.Errorf("%+v", p)
		}
		if i > 0 && (p.Line < all[i-1].Line || p.Line == all[i-1].Line && p.Column < all[i-1].Column) {
			t.Errorf("%v after %v", p, all[i-1])
		}
	}
}
