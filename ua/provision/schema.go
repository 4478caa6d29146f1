package provision

import (
	"slices"
	"strings"
)

// field is an attribute of an element that a T is made of.
type field[T any] struct {
	name    string
	missing error // nil: it may be missing
	list    bool  // words with a space between, in YAML a sequence
	get     func(*T) string
	set     func(*T, string) error
}

// The attributes of each element, in the order in which they are written.
var (
	documentFields = []field[Document]{
		str("key", ErrNoKey, func(d *Document) *string { return &d.Key }),
		str("name", ErrNoName, func(d *Document) *string { return &d.Name }),
		{name: "expires", get: func(d *Document) string { return timeText(d.Expires) },
			set: func(d *Document, v string) (err error) { d.Expires, err = parseTime(v); return }},
	}
	userFields = []field[User]{
		checked("uri", ErrNoUserURI, func(u *User) *string { return &u.URI }, checkUserURI),
		str("account", nil, func(u *User) *string { return &u.Account }),
		str("name", nil, func(u *User) *string { return &u.Name }),
		str("password", nil, func(u *User) *string { return &u.Password }),
		str("realm", nil, func(u *User) *string { return &u.Realm }),
		{name: "allowedauth", list: true, get: func(u *User) string { return authText(u.AllowedAuth) },
			set: func(u *User, v string) (err error) { u.AllowedAuth, err = parseAuths(v); return }},
	}
	serverFields = []field[Server]{
		checked("addr", ErrNoServerAddress, func(s *Server) *string { return &s.Addr }, checkServerAddress),
		// The published samples have it in lower case, the prose in upper case.
		word("protocol", ErrNoServerProtocol, ErrInvalidServerProtocol, func(s *Server) *Protocol { return &s.Protocol }, protocols, strings.ToUpper),
		word("auth", nil, ErrInvalidServerAuth, func(s *Server) *Auth { return &s.Auth }, serverAuths, asIs),
		word("role", ErrInvalidServerRole, ErrInvalidServerRole, func(s *Server) *Role { return &s.Role }, roles, asIs),
	}
	sessionFields = []field[Session]{
		word("party", ErrInvalidSessionParty, ErrInvalidSessionParty, func(s *Session) *Party { return &s.Party }, parties, asIs),
		word("type", ErrInvalidSessionType, ErrInvalidSessionType, func(s *Session) *SessionType { return &s.Type }, sessionTypes, asIs),
	}
	clientFields = []field[Client]{
		str("name", ErrNoClientName, func(c *Client) *string { return &c.Name }),
		boolean("banner", func(c *Client) **bool { return &c.Banner }),
		boolean("updates", func(c *Client) **bool { return &c.Updates }),
		checked("minver", nil, func(c *Client) *string { return &c.MinVer }, checkVersion),
		checked("curver", nil, func(c *Client) *string { return &c.CurVer }, checkVersion),
		checked("updateuri", nil, func(c *Client) *string { return &c.UpdateURI }, checkURI),
	}
	providerFields = []field[Provider]{
		str("name", nil, func(p *Provider) *string { return &p.Name }),
		checked("homepage", nil, func(p *Provider) *string { return &p.HomePage }, checkURI),
		checked("helpdesk", nil, func(p *Provider) *string { return &p.HelpDesk }, checkURI),
		checked("personal", nil, func(p *Provider) *string { return &p.Personal }, checkURI),
		checked("calldisplay", nil, func(p *Provider) *string { return &p.CallDisplay }, checkURI),
		checked("idledisplay", nil, func(p *Provider) *string { return &p.IdleDisplay }, checkURI),
	}
)

// str is an attribute of any text.
func str[T any](name string, missing error, of func(*T) *string) field[T] {
	return checked(name, missing, of, func(string) error { return nil })
}

// checked is one of a text that is judged.
func checked[T any](name string, missing error, of func(*T) *string, check func(string) error) field[T] {
	return field[T]{name: name, missing: missing,
		get: func(t *T) string { return *of(t) },
		set: func(t *T, v string) error { *of(t) = v; return check(v) }}
}

// word is one of a closed list of words.
func word[T any, W ~string](name string, missing, invalid error, of func(*T) *W, known []W, normal func(string) string) field[T] {
	return field[T]{name: name, missing: missing,
		get: func(t *T) string { return string(*of(t)) },
		set: func(t *T, v string) error {
			w := W(normal(v))
			if !slices.Contains(known, w) {
				return unlike(invalid, v, known)
			}
			*of(t) = w
			return nil
		}}
}

func boolean[T any](name string, of func(*T) **bool) field[T] {
	return field[T]{name: name,
		get: func(t *T) string { return boolText(*of(t)) },
		set: func(t *T, v string) (err error) { *of(t), err = parseBool(v); return }}
}

func asIs(v string) string { return v }
