package provision_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/natproof/natproof/ua/provision"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func text(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func amun() provision.Document {
	return provision.Document{
		Key: "de500844-d0fa-4c1d-a70e-1f5b0dbd1dbb", Name: "Amun",
		User: provision.User{URI: "sip:someone@example.com", Account: "1234567", Password: "x"},
		Servers: []provision.Server{
			{Addr: "a.example.com", Protocol: provision.UDP, Auth: provision.Digest, Role: provision.Proxy, Sessions: []provision.Session{
				{Party: provision.First, Type: provision.PCToPC},
				{Party: provision.First, Type: provision.PCToPhone},
				{Party: provision.First, Type: provision.IM},
			}},
			{Addr: "a.example.com", Protocol: provision.UDP, Auth: provision.Digest, Role: provision.Registrar},
		},
	}
}

func everything() provision.Document {
	no, yes := false, true
	return provision.Document{
		Key: "k", Name: "N & M", Expires: time.Date(2030, 1, 5, 11, 0, 0, 5e8, time.UTC),
		User: provision.User{
			URI: "sip:alice@example.com", Account: "0123", Name: "Alice", Password: "<\t\"'", Realm: "example.com",
			AllowedAuth: []provision.Auth{provision.Basic, provision.Digest, provision.NTLM, provision.Kerberos, provision.LogonCred},
		},
		Servers: []provision.Server{
			{Addr: "[2001:db8::1]:5071", Protocol: provision.TLS, Auth: provision.Basic, Role: provision.Registrar,
				Sessions: []provision.Session{{Party: provision.Third, Type: provision.PhoneToPhone}}},
			{Addr: "192.0.2.1", Protocol: provision.TLS, Role: provision.Proxy},
		},
		Client: &provision.Client{Name: "Phone", Banner: &no, Updates: &yes, MinVer: "1.2", CurVer: "12345678901234.1234", UpdateURI: "https://example.com/update?a=b"},
		Provider: &provision.Provider{Name: "P", HomePage: "https://example.com/", HelpDesk: "sip:help@example.com",
			Personal: "https://example.com/me", CallDisplay: "https://example.com/call", IdleDisplay: "https://example.com/idle"},
	}
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		file  string
		parse func([]byte) (provision.Document, error)
		want  provision.Document
	}{
		{"amun.xml", provision.Parse, amun()},
		{"amun.xml", provision.Options{Lenient: true}.Parse, amun()},
		{"amun-as-published.xml", provision.Options{Lenient: true}.Parse, amun()},
		{"amun.yaml", provision.ParseYAML, amun()},
		{"everything.xml", provision.Parse, everything()},
	} {
		got, err := c.parse(text(t, c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
		} else if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.file, d)
		}
	}
	if d, err := provision.Parse(append([]byte("\ufeff"), text(t, "amun.xml")...)); err != nil || d.Name != "Amun" {
		t.Errorf("a byte order mark: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range []provision.Document{amun(), everything()} {
		bothForms(t, want)
	}
}

// bothForms writes a document, reads it and compares.
func bothForms(t rapid.TB, want provision.Document) {
	t.Helper()
	for name, form := range map[string]struct {
		write func() ([]byte, error)
		read  func([]byte) (provision.Document, error)
	}{
		"XML":  {want.XML, provision.Parse},
		"YAML": {want.YAML, provision.ParseYAML},
	} {
		b, err := form.write()
		if errors.Is(err, provision.ErrTooLarge) {
			continue // what is short in one notation may be long in another
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := form.read(b)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s: %s\n%s", name, d, b)
		}
	}
}

// What is not a rule's business is accepted by nobody: Lenient excuses one thing.
func TestLenientExcusesOneThing(t *testing.T) {
	for _, uri := range []string{"someone", "@example.com", "sips:someone@example.com", "tel:1@example.com", "http://someone@example.com", "some one@example.com", ""} {
		doc := strings.Replace(string(text(t, "amun.xml")), "sip:someone@example.com", uri, 1)
		if _, err := (provision.Options{Lenient: true}).Parse([]byte(doc)); err == nil {
			t.Errorf("%q is accepted", uri)
		}
	}
	_, err := provision.Options{Lenient: true}.Parse([]byte(`<provision key="k" name="n"><user uri="a@example.com"/><sipsrv addr="a" role="proxy"/></provision>`))
	if !errors.Is(err, provision.ErrNoServerProtocol) || len(err.(provision.Problems)) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestCapabilities(t *testing.T) {
	c := amun().Capabilities()
	if got, want := c.String(), "pc2pc|pc2ph|im"; got != want || !c.Has(provision.CanIM) || c.Has(provision.CanPhoneToPhone) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.Register().String(), "invite-sessions|message-sessions"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := provision.RegisterAll.String(); got != "invite-sessions|message-sessions|presence|notify" {
		t.Errorf("got %s", got)
	}
	var none provision.Capabilities
	if none.String() != "none" || none.Register() != 0 || provision.SessionType("x").Capability() != 0 {
		t.Error("none is not none")
	}
}
