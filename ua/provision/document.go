package provision

import "time"

// Document is a provisioning document. What is empty is not in it.
type Document struct {
	Key      string // required; names the profile
	Name     string // required
	Expires  time.Time
	User     User
	Servers  []Server // one at least, of them one registrar at most
	Client   *Client
	Provider *Provider
}

// User is whose profile it is.
type User struct {
	URI      string // required; begins with "sip:"
	Account  string // the name to authenticate with
	Name     string // to display
	Password string
	// Realm, if there is one, is the only one that challenges may have; otherwise that of
	// the first challenge is. Basic cannot do without.
	Realm string
	// AllowedAuth takes the place of the Auth of all servers.
	AllowedAuth []Auth
}

// Server is a SIP server. Addr, Protocol and Role are required.
type Server struct {
	Addr     string // host or host:port
	Protocol Protocol
	Auth     Auth
	Role     Role
	Sessions []Session // what it is for
}

// Session is a kind of session, and who begins it.
type Session struct {
	Party Party
	Type  SessionType
}

// Client is about an application. Name is required.
type Client struct {
	Name           string
	Banner         *bool
	Updates        *bool
	MinVer, CurVer string // fixed.14.4: 14 digits, a point and 4 digits at most
	UpdateURI      string
}

// Provider is about a telephony service.
type Provider struct {
	Name                                                   string
	HomePage, HelpDesk, Personal, CallDisplay, IdleDisplay string // URIs
}

// Capabilities are the kinds of session that the servers are for.
func (d Document) Capabilities() Capabilities {
	var c Capabilities
	for _, s := range d.Servers {
		for _, k := range s.Sessions {
			c |= k.Type.Capability()
		}
	}
	return c
}

// Check says which rules the document breaks: it is nil or Problems, without places.
func (d Document) Check() error {
	_, err := read(d.tree(), Options{})
	return err
}

// authOf is what may be used with a server: the user's list takes the place of its own.
func (d Document) authOf(s Server) []Auth {
	switch {
	case len(d.User.AllowedAuth) > 0:
		return d.User.AllowedAuth
	case s.Auth != "":
		return []Auth{s.Auth}
	}
	return nil
}
