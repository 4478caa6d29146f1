package provision

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The rules of the documents. Each is named after the error code, RTC_E_PROFILE_... unless
// another is given.
var (
	ErrNoProvision           = errors.New("no provision element")
	ErrNoKey                 = errors.New("no key")
	ErrNoName                = errors.New("no name")
	ErrNoUser                = errors.New("no user")
	ErrNoUserURI             = errors.New("no uri of the user")
	ErrNoServer              = errors.New("no server")
	ErrNoServerAddress       = errors.New("no address of the server")
	ErrNoServerProtocol      = errors.New("no protocol of the server")
	ErrInvalidServerProtocol = errors.New("invalid protocol of the server")
	ErrInvalidServerAuth     = errors.New("invalid authentication method of the server") // ..._AUTHMETHOD
	ErrInvalidServerRole     = errors.New("invalid role of the server")
	ErrMultipleRegistrars    = errors.New("more than one registrar")
	// ErrInvalidSession is also what the next two are.
	ErrInvalidSession      = errors.New("invalid session")
	ErrInvalidSessionParty = fmt.Errorf("%w: party", ErrInvalidSession)
	ErrInvalidSessionType  = fmt.Errorf("%w: type", ErrInvalidSession)
	ErrBasicNeedsTLS       = errors.New("basic authentication needs TLS")                              // RTC_E_BASIC_AUTH_SET_TLS
	ErrUDPNotSupported     = errors.New("over UDP, digest is the only authentication that is allowed") // RTC_E_UDP_NOT_SUPPORTED
)

// Rules of the schema and of its prose that have no code of their own.
var (
	ErrInvalidUserURI       = errors.New("invalid uri of the user")
	ErrInvalidAllowedAuth   = errors.New("invalid list of authentication methods")
	ErrNoRealm              = errors.New("basic authentication needs a realm")
	ErrInvalidServerAddress = errors.New("invalid address of the server")
	ErrNoClientName         = errors.New("no name of the client")
	ErrInvalidBool          = errors.New("neither true nor false")
	ErrInvalidVersion       = errors.New("invalid version")
	ErrInvalidExpires       = errors.New("invalid time")
	ErrInvalidURI           = errors.New("invalid URI")

	ErrUnknownElement   = errors.New("unknown element")
	ErrUnknownAttribute = errors.New("unknown attribute")
	ErrDuplicate        = errors.New("given twice")
)

// What is wrong with a text.
var (
	ErrSyntax = errors.New("syntax error")
	// ErrText: characters where there may be none, or that no value may have.
	ErrText = errors.New("text out of place")
	// ErrMarkup: of XML other than elements, attributes and comments; of YAML anchors, aliases,
	// tags and all but the first document.
	ErrMarkup = errors.New("markup that a document may not have")
	// ErrShape: in YAML, a value where a mapping or a list is wanted, or the other way round.
	ErrShape = errors.New("of another shape than is wanted here")
	// ErrTooLarge: more than MaxSize, read or to be written.
	ErrTooLarge = errors.New("document too large")
)

// What is right, but cannot be made a profile of.
var (
	ErrExpired     = errors.New("provision: the document has expired")
	ErrNoRegistrar = errors.New("provision: no server is a registrar")
	ErrTransport   = errors.New("provision: SIP is spoken over UDP only")
	ErrResolve     = errors.New("provision: the address of a server is not known")
)

// Problem is a rule that is broken, and where.
type Problem struct {
	Line, Column int    // from 1, the column in characters; 0 if there is no text
	Path         string // like "sipsrv 2 role"; empty is the whole
	Err          error  // wraps one of the errors of this package
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString("provision: ")
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", p.Line, p.Column)
	}
	if p.Path != "" {
		fmt.Fprintf(&b, "%s: ", p.Path)
	}
	b.WriteString(p.Err.Error())
	return b.String()
}

// Unwrap is the rule.
func (p Problem) Unwrap() error { return p.Err }

// Problems are all that is wrong with a document, in its order.
type Problems []Problem

// Error has one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is ask each of them.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// place is where something stands in a text.
type place struct{ line, column int }

// add notes a problem.
func (ps *Problems) add(at place, path string, err error) {
	*ps = append(*ps, Problem{Line: at.line, Column: at.column, Path: path, Err: err})
}

// err is nil if there are none; otherwise they are brought into the order of the document.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}
