package provision_test

import (
	"fmt"
	"log"

	"github.com/natproof/natproof/ua/provision"
)

// The published samples lack "sip:".
func ExampleOptions() {
	doc, err := provision.Options{Lenient: true}.Parse([]byte(
		`<provision key="k" name="Amun"><user uri="someone@example.com"/><sipsrv addr="a.example.com" protocol="udp" role="registrar"/></provision>`))
	if err != nil {
		log.Fatal(err)
	}
	b, err := doc.XML()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(string(b))
	// Output:
	// <provision key="k" name="Amun">
	//   <user uri="sip:someone@example.com"/>
	//   <sipsrv addr="a.example.com" protocol="UDP" role="registrar"/>
	// </provision>
}
