package registrar

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"github.com/natproof/natproof/internal/sipmsg"
)

// Policy says where requests for a registered user go.
type Policy uint8

const (
	// PolicyContact sends to exactly the address the user agent wrote in its Contact (RFC 3261 §16.6 step 7).
	PolicyContact Policy = iota
	// PolicyReceived sends to the address the REGISTER came from, and adds an alias
	// parameter (";alias=ip~port~1") to Contacts that name another address than the one
	// their message came from, so that requests inside the dialog reach the agent too.
	PolicyReceived
	// PolicyReceivedNoAlias sends new requests to the address the REGISTER came from, and
	// those inside a dialog where the Contact says. A private Contact then loses the ACK and
	// the BYE: the callee repeats its 200 and gives the call up after 32 s.
	PolicyReceivedNoAlias
	// PolicyIPOnly sends to the IP address the REGISTER came from and the port of the
	// Contact, as a proxy does that knows received but not rport. Contacts of dialogs get
	// an alias by the same rule.
	PolicyIPOnly
	// PolicyAnotherSource is PolicyReceived, but requests to users leave from
	// Config.CallConn: from an address that they never sent to.
	PolicyAnotherSource
)

// rules are what a policy comes to.
type rules struct {
	name  string
	by    Cause                                                        // that tells of reach
	reach func(contact *sip.Uri, source netip.AddrPort) netip.AddrPort // where a user agent is
	alias bool                                                         // Contacts of dialogs get what reach says
	apart bool                                                         // requests to users leave from CallConn
}

var policies = [...]rules{
	PolicyContact:         {name: "contact", by: ByContact, reach: atContact},
	PolicyReceived:        {name: "received", by: ByReceived, reach: atSource, alias: true},
	PolicyReceivedNoAlias: {name: "received-no-alias", by: ByReceived, reach: atSource},
	PolicyIPOnly:          {name: "ip-only", by: BySourceIP, reach: atSourceIP, alias: true},
	PolicyAnotherSource:   {name: "another-source", by: ByReceived, reach: atSource, alias: true, apart: true},
}

func atContact(contact *sip.Uri, _ netip.AddrPort) netip.AddrPort { return sipmsg.Resolve(contact) }

func atSource(_ *sip.Uri, source netip.AddrPort) netip.AddrPort { return source }

func atSourceIP(contact *sip.Uri, source netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(source.Addr(), sipmsg.URIPort(contact))
}

func (p Policy) String() string {
	if int(p) < len(policies) {
		return policies[p].name
	}
	return fmt.Sprintf("Policy(%d)", uint8(p))
}

// Policies lists all of them.
func Policies() []Policy {
	list := make([]Policy, len(policies))
	for i := range policies {
		list[i] = Policy(i)
	}
	return list
}

// ParsePolicy is the inverse of Policy.String.
func ParsePolicy(name string) (Policy, error) {
	names := make([]string, len(policies))
	for i := range policies {
		if names[i] = policies[i].name; names[i] == name {
			return Policy(i), nil
		}
	}
	return 0, fmt.Errorf("%w: policy %q is none of %s", ErrConfig, name, strings.Join(names, ", "))
}
