package provision_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/natproof/natproof/ua/provision"
)

// Each rule, broken alone in a document that is right otherwise.
func TestRules(t *testing.T) {
	const right = `<provision key="k" name="n">
<user uri="sip:a@example.com" realm="r"/>
<sipsrv addr="a.example.com:5060" protocol="UDP" auth="digest" role="proxy">
<session party="first" type="pc2pc"/>
</sipsrv>
<sipsrv addr="192.0.2.1" protocol="UDP" role="registrar"/>
<client name="c"/>
</provision>`
	if _, err := provision.Parse([]byte(right)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		old, new string
		is       error
		says     string // after "provision: "
	}{
		{`<provision key="k"`, `<provision`, provision.ErrNoKey, "line 1, column 1: no key"},
		{`key="k"`, `key=" "`, provision.ErrNoKey, "line 1, column 12: no key"},
		{`name="n"`, ``, provision.ErrNoName, "line 1, column 1: no name"},
		{`<user uri="sip:a@example.com" realm="r"/>`, ``, provision.ErrNoUser, "line 1, column 1: no user"},
		{`uri="sip:a@example.com"`, ``, provision.ErrNoUserURI, "line 2, column 1: user: no uri of the user"},
		{`sip:a@`, `a@`, provision.ErrInvalidUserURI, `line 2, column 7: user uri: invalid uri of the user: "a@example.com" does not begin with sip:`},
		{`sip:a@`, `sip:`, provision.ErrInvalidUserURI, `line 2, column 7: user uri: invalid uri of the user: "sip:example.com" is no sip: URI with a user`},
		{`realm="r"`, `allowedauth="digest magic"`, provision.ErrInvalidAllowedAuth, `line 2, column 31: user allowedauth: invalid list of authentication methods: "magic" is none of basic, digest, ntlm, kerberos, logoncred`},
		{`realm="r"`, `allowedauth="digest digest"`, provision.ErrInvalidAllowedAuth, `line 2, column 31: user allowedauth: invalid list of authentication methods: digest is there twice`},
		{`realm="r"`, `allowedauth="logoncred"`, provision.ErrInvalidAllowedAuth, `line 2, column 31: user allowedauth: invalid list of authentication methods: no method`},
		{`addr="192.0.2.1"`, ``, provision.ErrNoServerAddress, "line 6, column 1: sipsrv 2: no address of the server"},
		{`addr="192.0.2.1"`, `addr="a..b"`, provision.ErrInvalidServerAddress, `line 6, column 9: sipsrv 2 addr: invalid address of the server: "a..b": no host`},
		{`.com:5060`, `.com:0`, provision.ErrInvalidServerAddress, `line 3, column 9: sipsrv 1 addr: invalid address of the server: "a.example.com:0": the port is none of 1 to 65535`},
		{`192.0.2.1`, `2001:db8::1`, provision.ErrInvalidServerAddress, `line 6, column 9: sipsrv 2 addr: invalid address of the server: "2001:db8::1": no host`},
		{`192.0.2.1`, `[192.0.2.1]`, provision.ErrInvalidServerAddress, `line 6, column 9: sipsrv 2 addr: invalid address of the server: "[192.0.2.1]": no IPv6 address in brackets`},
		{`protocol="UDP" role`, `role`, provision.ErrNoServerProtocol, "line 6, column 1: sipsrv 2: no protocol of the server"},
		{`protocol="UDP" role`, `protocol="SCTP" role`, provision.ErrInvalidServerProtocol, `line 6, column 26: sipsrv 2 protocol: invalid protocol of the server: "SCTP" is none of TCP, UDP, TLS`},
		{`auth="digest"`, `auth="ntlm"`, provision.ErrInvalidServerAuth, `line 3, column 50: sipsrv 1 auth: invalid authentication method of the server: "ntlm" is none of basic, digest`},
		{`auth="digest"`, `auth="basic"`, provision.ErrBasicNeedsTLS, `line 3, column 50: sipsrv 1: basic authentication needs TLS, not UDP`},
		{`role="registrar"`, ``, provision.ErrInvalidServerRole, `line 6, column 1: sipsrv 2: invalid role of the server`},
		{`role="proxy"`, `role="Proxy"`, provision.ErrInvalidServerRole, `line 3, column 64: sipsrv 1 role: invalid role of the server: "Proxy" is none of proxy, registrar`},
		{`role="proxy"`, `role="registrar"`, provision.ErrMultipleRegistrars, `line 6, column 41: sipsrv 2: more than one registrar`},
		{`party="first"`, `party="second"`, provision.ErrInvalidSessionParty, `line 4, column 10: sipsrv 1 session 1 party: invalid session: party: "second" is none of first, third`},
		{`type="pc2pc"`, `type="fax"`, provision.ErrInvalidSessionType, `line 4, column 24: sipsrv 1 session 1 type: invalid session: type: "fax" is none of pc2pc, pc2ph, ph2ph, im`},
		{`party="first"`, ``, provision.ErrInvalidSession, `line 4, column 1: sipsrv 1 session 1: invalid session: party`},
		{`type="pc2pc"`, `type="ph2ph"`, provision.ErrInvalidSession, `line 4, column 1: sipsrv 1 session 1: invalid session: ph2ph is a call of a third party`},
		{`<client name="c"/>`, `<client/>`, provision.ErrNoClientName, `line 7, column 1: client: no name of the client`},
		{`name="c"`, `name="c" banner="maybe"`, provision.ErrInvalidBool, `line 7, column 18: client banner: neither true nor false: "maybe"`},
		{`name="c"`, `name="c" minver="1.23456"`, provision.ErrInvalidVersion, `line 7, column 18: client minver: invalid version: "1.23456" has more than 14 digits, a point and 4 digits`},
		{`name="c"`, `name="c" updateuri="x"`, provision.ErrInvalidURI, `line 7, column 18: client updateuri: invalid URI: "x": no scheme`},
		{`name="n"`, `name="n" expires="2030-01-01"`, provision.ErrInvalidExpires, `line 1, column 29: expires: invalid time: "2030-01-01" is not like 2010-01-05T12:00:00Z`},
		{`name="n"`, `name="n" key="l"`, provision.ErrDuplicate, `line 1, column 29: key: given twice`},
		{`name="n"`, `name="a&#10;b"`, provision.ErrText, `line 1, column 20: name: text out of place: control character in a value: 0x0a at byte 1`},
		{`realm="r"`, `realm="r" age="1"`, provision.ErrUnknownAttribute, `line 2, column 41: user: unknown attribute: "age" of user`},
		{`<client name="c"/>`, `<client name="c"/><client name="d"/>`, provision.ErrDuplicate, `line 7, column 19: client: given twice`},
		{`<client name="c"/>`, `<accesscontrol domain="d" sig="s"/>`, provision.ErrUnknownElement, `line 7, column 1: unknown element: "accesscontrol" in provision`},
		{`<client name="c"/>`, `<client name="c"><data/></client>`, provision.ErrUnknownElement, `line 7, column 18: client: unknown element: "data" in client`},
		{`<client name="c"/>`, `<client name="c">x</client>`, provision.ErrText, `line 7, column 18: client: text out of place: "x"`},
		{`<client name="c"/>`, `<?php?>`, provision.ErrMarkup, `line 7, column 1: provision: markup that a document may not have: <?php`},
		{`</provision>`, `</provision><provision/>`, provision.ErrDuplicate, `line 8, column 13: provision: given twice: a root element`},
		{`</provision>`, ``, provision.ErrSyntax, `line 8, column 1: syntax error: unexpected EOF`},
		{`"sip:a@example.com"`, `"sip:&b;@example.com"`, provision.ErrSyntax, `line 2, column 19: syntax error: invalid character entity &b;`},
	} {
		doc := strings.Replace(right, c.old, c.new, 1)
		_, err := provision.Parse([]byte(doc))
		if !errors.Is(err, c.is) || err.Error() != "provision: "+c.says {
			t.Errorf("%s -> %s:\n got %v\nwant provision: %s", c.old, c.new, err, c.says)
		}
	}
}

// All problems are told, in the order of the text.
func TestAllProblems(t *testing.T) {
	for _, c := range []struct {
		parse      func([]byte) (provision.Document, error)
		text, want string
	}{
		{provision.Parse, "", "provision: no provision element"},
		{provision.Parse, "<!-- -->", "provision: no provision element"},
		{provision.Parse, "<profile/>", "provision: line 1, column 1: profile: no provision element"},
		{provision.Parse, "<provision>", "provision: line 1, column 12: syntax error: unexpected EOF"},
		{provision.Parse, "<provision\xff/>", "provision: line 1, column 11: syntax error: not UTF-8"},
		{provision.Parse, `<?xml version="1.0" encoding="utf-16"?><provision/>`, `provision: line 1, column 40: syntax error: the encoding is "utf-16", not UTF-8`},
		{provision.Parse, strings.Repeat(" ", provision.MaxSize+1), "provision: document too large: 16385 bytes, at most 16384"},
		{provision.Parse, "<provision/>", `provision: line 1, column 1: no key
provision: line 1, column 1: no name
provision: line 1, column 1: no user
provision: line 1, column 1: no server`},
		{provision.Parse, `<!DOCTYPE provision>
<provision xmlns="urn:x" key="k" name="ü" x:y="z">
  <x:user/>
  <user allowedauth="basic ntlm"/>
  <sipsrv addr="a" protocol="udp" role="proxy"/>tail
</provision>`, `provision: line 1, column 1: markup that a document may not have: <!
provision: line 2, column 12: unknown attribute: "xmlns" of provision
provision: line 2, column 43: unknown attribute: "x:y" of provision
provision: line 3, column 3: unknown element: "x:user" in provision
provision: line 4, column 3: user: no uri of the user
provision: line 4, column 3: user: basic authentication needs a realm
provision: line 5, column 20: sipsrv 1: basic authentication needs TLS, not UDP
provision: line 5, column 20: sipsrv 1: over UDP, digest is the only authentication that is allowed, not ntlm
provision: line 5, column 49: provision: text out of place: "tail"`},
		{provision.ParseYAML, "", "provision: no provision element"},
		{provision.ParseYAML, "# nothing\n", "provision: no provision element"},
		{provision.ParseYAML, "- a\n", "provision: line 1, column 1: of another shape than is wanted here: no mapping"},
		{provision.ParseYAML, "a: [\n", `provision: line 1, column 4: syntax error: sequence end token ']' not found`},
		{provision.ParseYAML, `key: [a, b]
name:
name: n
user:
  - uri: sip:a@example.com
    allowedauth: basic
sipsrv:
  addr: a
  protocol: udp
  role: proxy
  session:
    - first
    - {party: first, type: im, party: first}
client: &x {name: c}
provider: *x
extra: 1
`, `provision: line 1, column 1: key: of another shape than is wanted here: a sequence, not a value
provision: line 2, column 1: name: of another shape than is wanted here: no value
provision: line 5, column 5: user: of another shape than is wanted here: a sequence, not a mapping
provision: line 5, column 5: user: basic authentication needs a realm
provision: line 7, column 1: sipsrv 1: of another shape than is wanted here: a mapping, not a sequence
provision: line 9, column 3: sipsrv 1: basic authentication needs TLS, not UDP
provision: line 12, column 7: sipsrv session: of another shape than is wanted here: String
provision: line 13, column 32: sipsrv 1 session 1 party: given twice
provision: line 14, column 1: client: markup that a document may not have: Anchor
provision: line 15, column 1: provider: markup that a document may not have: Alias
provision: line 16, column 1: unknown attribute: "extra" of provision`},
		{provision.ParseYAML, "key: a\tb\nname: \"a\\tb\"\nuser:\n  uri: sip:a\n   @b\n  allowedauth: [dig\test]\n--- \nkey: k\n", `provision: line 1, column 1: key: text out of place: "ab" needs quotes
provision: line 1, column 1: no server
provision: line 4, column 3: user uri: text out of place: "sip:a @b" needs quotes
provision: line 4, column 3: user uri: invalid uri of the user: "sip:a @b" is no sip: URI with a user
provision: line 6, column 17: user allowedauth: text out of place: "digest" needs quotes
provision: line 7, column 1: markup that a document may not have: a second document`},
		{provision.ParseYAML, strings.Repeat("[", provision.MaxSize), "provision: line 1, column 17: of another shape than is wanted here: nested too deep"},
		{provision.ParseYAML, "key:\n " + strings.Repeat(" -", 17), "provision: line 2, column 35: of another shape than is wanted here: nested too deep"},
	} {
		_, err := c.parse([]byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%.200s\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// A Go value is held to the same rules, and is not written if it breaks one.
func TestCheck(t *testing.T) {
	d := amun()
	d.Key, d.Servers[1].Protocol, d.Servers[0].Role = "", "SCTP", provision.Registrar
	d.Name = "a\u0001"
	want := `provision: name: text out of place: control character in a value: 0x01 at byte 1
provision: no key
provision: sipsrv 2 protocol: invalid protocol of the server: "SCTP" is none of TCP, UDP, TLS
provision: sipsrv 2: more than one registrar`
	for name, f := range map[string]func() error{
		"Check":    d.Check,
		"XML":      func() error { _, err := d.XML(); return err },
		"YAML":     func() error { _, err := d.YAML(); return err },
		"Profiles": func() error { _, err := d.Profiles(t.Context(), now, nil); return err },
	} {
		if err := f(); err == nil || err.Error() != want || !errors.Is(err, provision.ErrNoKey) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := amun().Check(); err != nil {
		t.Error(err)
	}
	d = amun()
	d.Name = strings.Repeat("<", provision.MaxSize)
	if _, err := d.XML(); !errors.Is(err, provision.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, err := d.YAML(); !errors.Is(err, provision.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}
