package bubble

import (
	"context"
	"errors"
	"net"
)

// ErrNoDNS is what every look-up through NoDNS ends with.
var ErrNoDNS = errors.New("bubble: a name was looked up: there is no DNS in a bubble")

// NoDNS is a resolver that knows no name and asks nobody, for stacks that fall back on DNS when
// they are not told an address. A real look-up inside a bubble is worse than slow: what package
// net keeps from it makes a look-up in the next bubble end the process.
var NoDNS = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, ErrNoDNS }}
