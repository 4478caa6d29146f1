package provision_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/natproof/natproof/ua/provision"
)

// Any document that keeps the rules is the same after either notation.
func TestRoundTripOfAnyDocument(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := document(rt)
		if err := d.Check(); err != nil {
			rt.Fatalf("%v\n%+v", err, d)
		}
		bothForms(rt, d)
	})
}

func document(t *rapid.T) provision.Document {
	words := rapid.OneOf(
		rapid.StringMatching(`[ -~\t]{1,12}[!-~]`),
		rapid.StringMatching(`[ ä€𝄞'":#&*?|>%@{}\[\],\\-]{1,8}[!-~]`),
		rapid.SampledFrom([]string{"null", "~", "true", "no", "0123", "1e3", "0x1f", "1_000", ".inf", "2001-01-01", "<<", "- a", "? a", "a: b", "a #b", "!!str a", "&a", "*a", "---", "...", "'a'", `"a"`, " a", "a ", "\t", "1:2"}),
	)
	optional := rapid.OneOf(rapid.Just(""), words)
	required := words.Filter(func(s string) bool { return strings.TrimSpace(s) != "" })
	uri := rapid.OneOf(rapid.Just(""), rapid.StringMatching(`https?://[a-z]{1,8}\.example/[a-z?=&#%20]{0,3}`).Filter(func(s string) bool { u, err := url.Parse(s); return err == nil && u.IsAbs() }))
	d := provision.Document{
		Key: required.Draw(t, "key"), Name: required.Draw(t, "name"),
		User: provision.User{
			URI:     rapid.StringMatching(`sip:[a-z0-9]{1,8}@[a-z]{1,8}\.example(:5060)?`).Draw(t, "uri"),
			Account: optional.Draw(t, "account"), Name: optional.Draw(t, "display"), Password: optional.Draw(t, "password"), Realm: optional.Draw(t, "realm"),
		},
	}
	if rapid.Bool().Draw(t, "expires") {
		d.Expires = time.Unix(rapid.Int64Range(1, 1<<37).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds")).UTC()
	}
	if rapid.Bool().Draw(t, "allowedauth") {
		d.User.AllowedAuth = []provision.Auth{provision.Digest}
	}
	for i := range rapid.IntRange(1, 4).Draw(t, "servers") {
		s := provision.Server{
			Addr:     rapid.StringMatching(`([a-z]{1,8}\.example|192\.0\.2\.[1-9]|\[2001:db8::[1-9]\])(:[1-9][0-9]{0,3})?`).Draw(t, "addr"),
			Protocol: rapid.SampledFrom([]provision.Protocol{provision.TCP, provision.UDP, provision.TLS}).Draw(t, "protocol"),
			Auth:     rapid.SampledFrom([]provision.Auth{"", provision.Digest}).Draw(t, "auth"),
			Role:     provision.Proxy,
			Sessions: rapid.SliceOfN(rapid.Custom(session), 0, 3).Draw(t, "sessions"),
		}
		if i == 0 {
			s.Role = rapid.SampledFrom([]provision.Role{provision.Proxy, provision.Registrar}).Draw(t, "role")
		}
		if len(s.Sessions) == 0 {
			s.Sessions = nil
		}
		d.Servers = append(d.Servers, s)
	}
	boolean := rapid.SampledFrom([]*bool{nil, new(bool)})
	if rapid.Bool().Draw(t, "client") {
		d.Client = &provision.Client{Name: required.Draw(t, "client name"), Banner: boolean.Draw(t, "banner"), Updates: boolean.Draw(t, "updates"),
			MinVer: rapid.StringMatching(`([0-9]{1,14}(\.[0-9]{1,4})?)?`).Draw(t, "minver"), UpdateURI: uri.Draw(t, "updateuri")}
	}
	if rapid.Bool().Draw(t, "provider") {
		d.Provider = &provision.Provider{Name: optional.Draw(t, "provider name"), HomePage: uri.Draw(t, "homepage"), IdleDisplay: uri.Draw(t, "idledisplay")}
	}
	return d
}

func session(t *rapid.T) provision.Session {
	s := provision.Session{Type: rapid.SampledFrom([]provision.SessionType{provision.PCToPC, provision.PCToPhone, provision.PhoneToPhone, provision.IM}).Draw(t, "type")}
	s.Party = provision.Third
	if s.Type != provision.PhoneToPhone {
		s.Party = rapid.SampledFrom([]provision.Party{provision.First, provision.Third}).Draw(t, "party")
	}
	return s
}
