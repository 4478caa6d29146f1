package provision

import "strings"

// Protocol is the transport to a server.
type Protocol string

// The protocols.
const (
	TCP Protocol = "TCP"
	UDP Protocol = "UDP"
	TLS Protocol = "TLS"
)

// DefaultPort is where a server listens that names no port (RFC 3261 section 19.1.2).
func (p Protocol) DefaultPort() uint16 {
	if p == TLS {
		return 5061
	}
	return 5060
}

// Auth is a way of proving who one is.
type Auth string

// The ways. A server's auth is Basic or Digest; the list of a user may have all.
const (
	Basic     Auth = "basic"
	Digest    Auth = "digest"
	NTLM      Auth = "ntlm"
	Kerberos  Auth = "kerberos"
	LogonCred Auth = "logoncred" // the credentials of whoever is logged on
)

// Role is what a server is.
type Role string

// The roles.
const (
	Proxy     Role = "proxy"
	Registrar Role = "registrar"
)

// Party says who begins a session: First is the client itself, Third another computer.
type Party string

// The parties.
const (
	First Party = "first"
	Third Party = "third"
)

// SessionType is a kind of session.
type SessionType string

// The kinds of session.
const (
	PCToPC       SessionType = "pc2pc"
	PCToPhone    SessionType = "pc2ph"
	PhoneToPhone SessionType = "ph2ph"
	IM           SessionType = "im"
)

var (
	protocols    = []Protocol{TCP, UDP, TLS}
	serverAuths  = []Auth{Basic, Digest}
	userAuths    = []Auth{Basic, Digest, NTLM, Kerberos, LogonCred}
	roles        = []Role{Proxy, Registrar}
	parties      = []Party{First, Third}
	sessionTypes = []SessionType{PCToPC, PCToPhone, PhoneToPhone, IM}
)

// Capabilities is a set of kinds of session, with the bits of RTCSI.
type Capabilities uint8

// The capabilities.
const (
	CanPCToPC       Capabilities = 0x01 // RTCSI_PC_TO_PC
	CanPCToPhone    Capabilities = 0x02 // RTCSI_PC_TO_PHONE
	CanPhoneToPhone Capabilities = 0x04 // RTCSI_PHONE_TO_PHONE
	CanIM           Capabilities = 0x08 // RTCSI_IM
)

// Capability is the bit of a kind of session; 0 if there is no such kind.
func (t SessionType) Capability() Capabilities {
	for i, known := range sessionTypes {
		if t == known {
			return 1 << i
		}
	}
	return 0
}

// Has says whether all of the kinds are in the set.
func (c Capabilities) Has(kinds Capabilities) bool { return c&kinds == kinds }

// String is like "pc2pc|im"; that of the empty set is "none".
func (c Capabilities) String() string {
	var in []string
	for _, t := range sessionTypes {
		if c.Has(t.Capability()) {
			in = append(in, string(t))
		}
	}
	return join(in)
}

// RegisterFlags say what a profile is registered for, with the bits of RTCRF.
type RegisterFlags uint8

// The flags.
const (
	RegisterInviteSessions  RegisterFlags = 0x01 // RTCRF_REGISTER_INVITE_SESSIONS
	RegisterMessageSessions RegisterFlags = 0x02 // RTCRF_REGISTER_MESSAGE_SESSIONS
	RegisterPresence        RegisterFlags = 0x04 // RTCRF_REGISTER_PRESENCE
	RegisterNotify          RegisterFlags = 0x08 // RTCRF_REGISTER_NOTIFY
	RegisterAll             RegisterFlags = 0x0f // RTCRF_REGISTER_ALL
)

var registerNames = []string{"invite-sessions", "message-sessions", "presence", "notify"}

// String is like "invite-sessions|notify".
func (f RegisterFlags) String() string {
	var in []string
	for i, name := range registerNames {
		if f&(1<<i) != 0 {
			in = append(in, name)
		}
	}
	return join(in)
}

// Register is what these kinds of session are registered for.
func (c Capabilities) Register() RegisterFlags {
	var f RegisterFlags
	if c&(CanPCToPC|CanPCToPhone|CanPhoneToPhone) != 0 {
		f |= RegisterInviteSessions
	}
	if c.Has(CanIM) {
		f |= RegisterMessageSessions
	}
	return f
}

func join(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, "|")
}
