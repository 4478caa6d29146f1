package provision_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/natproof/natproof/ua/provision"
)

// A document becomes what ua.Client.NewProfile takes.
func ExampleParse() {
	doc, err := provision.Parse([]byte(`
<provision key="k" name="Amun">
  <user uri="sip:someone@example.com" account="1234567" password="x"/>
  <sipsrv addr="203.0.113.10" protocol="UDP" auth="digest" role="proxy">
    <session party="first" type="pc2pc"/>
    <session party="first" type="im"/>
  </sipsrv>
  <sipsrv addr="203.0.113.11:5070" protocol="UDP" auth="digest" role="registrar"/>
</provision>`))
	if err != nil {
		log.Fatal(err)
	}
	profiles, err := doc.Profiles(context.Background(), time.Now(), nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range profiles {
		fmt.Println(p.Account.URI, p.Proxy, p.Registrar, p.Capabilities())
	}
	// Output: sip:someone@example.com 203.0.113.10:5060 203.0.113.11:5070 pc2pc|im
}

// All that is wrong is told at once, with its place.
func ExampleParseYAML() {
	_, err := provision.ParseYAML([]byte(`key: k
name: Amun
user: {uri: someone@example.com}
sipsrv:
  - addr: a.example.com
    protocol: UDP
    auth: basic
    role: proxi
`))
	fmt.Println(err)
	// Output:
	// provision: line 3, column 1: user: basic authentication needs a realm
	// provision: line 3, column 8: user uri: invalid uri of the user: "someone@example.com" does not begin with sip:
	// provision: line 7, column 5: sipsrv 1: basic authentication needs TLS, not UDP
	// provision: line 8, column 5: sipsrv 1 role: invalid role of the server: "proxi" is none of proxy, registrar
}

// A document made in Go, as YAML.
func ExampleDocument_YAML() {
	doc := provision.Document{
		Key: "k", Name: "Amun",
		User: provision.User{URI: "sip:someone@example.com", AllowedAuth: []provision.Auth{provision.Digest}},
		Servers: []provision.Server{{
			Addr: netip.MustParseAddr("203.0.113.10").String(), Protocol: provision.UDP, Role: provision.Registrar,
			Sessions: []provision.Session{{Party: provision.First, Type: provision.PCToPhone}},
		}},
	}
	b, err := doc.YAML()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(b))
	// Output:
	// key: k
	// name: Amun
	// user:
	//   uri: sip:someone@example.com
	//   allowedauth:
	//     - digest
	// sipsrv:
	//   - addr: "203.0.113.10"
	//     protocol: UDP
	//     role: registrar
	//     session:
	//       - party: first
	//         type: pc2ph
}
