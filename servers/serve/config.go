package serve

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/limit"
	"github.com/natproof/natproof/servers/registrar"
)

// Config is which servers there are, and how they are. Settings says what each is for; the zero
// AddrPort of a server is none. The zero Config is no use: begin with Build.
type Config struct {
	Listen    netip.AddrPort // of the registrar
	Registrar registrar.Config
	Users     string // file
	Store     string // file
	Events    bool

	STUN, STUNAlternate netip.AddrPort

	GatewayListen   netip.AddrPort
	GatewayPrefixes []string
	Gateway         gateway.Config

	SIPProbe          bool
	SIPProbeAlternate netip.AddrPort

	Limit limit.Config // for each server; a Rate of 0 is none

	Metrics         netip.AddrPort
	LogLevel        slog.Level
	LogJSON         bool
	ShutdownTimeout time.Duration

	// Open opens a UDP socket; nil is the operating system's.
	Open func(netip.AddrPort) (net.PacketConn, error)
}

// A SettingError is a setting with a value that it cannot have.
type SettingError struct {
	Name, Value string // the value is empty if Err tells
	Err         error
}

func (e *SettingError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("--%s: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("--%s %q: %v", e.Name, e.Value, e.Err)
}

// Unwrap is what is wrong with it.
func (e *SettingError) Unwrap() error { return e.Err }

// Build makes a configuration of values and, where there is none, of the defaults. The error is
// a FileError if the value stands in a file, else a SettingError.
func Build(values Values) (Config, error) {
	var c Config
	for _, s := range settings {
		v, given := values[s.Name]
		switch {
		case given:
		case s.Default == "":
			continue
		case s.Kind == List:
			v.Words = strings.Split(s.Default, ",")
		default:
			v.Words = []string{s.Default}
		}
		if err := s.set(&c, v.Words); err != nil {
			value := v.Words[0]
			if unknown := (*UnknownError)(nil); errors.As(err, &unknown) || s.Kind != Text {
				value = ""
			}
			return c, values.wrong(s.Name, value, err)
		}
	}
	if name, err := c.check(); err != nil {
		return c, values.wrong(name, "", err)
	}
	return c, nil
}

// wrong says that a setting has a value that it cannot have, and where if that is known.
func (v Values) wrong(name, value string, err error) error {
	if at := v[name].At; at != nil {
		return &FileError{*at, fmt.Errorf("%s: %w", name, err)}
	}
	return &SettingError{name, value, err}
}

// check finds what makes no sense together, and names the setting that is to be changed.
func (c *Config) check() (setting string, err error) {
	anywhere := func(a netip.AddrPort) bool { return a.IsValid() && a.Addr().IsUnspecified() }
	concrete := errors.New("want one address of this host: clients are told it")
	switch {
	case anywhere(c.Listen) && !c.Registrar.Advertise.IsValid():
		return "listen", fmt.Errorf("%v is every address: say with --advertise by which one the server is reached", c.Listen)
	case c.Registrar.AuthInvite && c.Users == "":
		return "auth-invite", errors.New("needs users")
	case anywhere(c.STUN):
		return "stun", concrete
	case c.STUNAlternate.IsValid() && !c.STUN.IsValid():
		return "stun-alternate", errors.New("needs stun")
	case anywhere(c.STUNAlternate):
		return "stun-alternate", concrete
	case c.STUNAlternate.IsValid() && (c.STUNAlternate.Addr() == c.STUN.Addr() || c.STUNAlternate.Port() == c.STUN.Port() && c.STUN.Port() != 0):
		return "stun-alternate", fmt.Errorf("want another address and another port than %v (RFC 5780)", c.STUN)
	case c.STUNAlternate.IsValid() && c.STUNAlternate.Addr().Is4() != c.STUN.Addr().Is4():
		return "stun-alternate", fmt.Errorf("of another family than %v", c.STUN)
	case anywhere(c.GatewayListen):
		return "gateway", concrete
	case c.Gateway.MediaAddr.IsValid() && !c.GatewayListen.IsValid():
		return "gateway-media", errors.New("needs gateway")
	case c.SIPProbeAlternate.IsValid() && !c.SIPProbe:
		return "sip-probe-alternate", errors.New("needs sip-probe")
	case anywhere(c.SIPProbeAlternate):
		return "sip-probe-alternate", concrete
	}
	return "", nil
}

// ReadUsers reads a name and a password a line. Empty lines, and those that begin with #, count
// for nothing.
func ReadUsers(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	users := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, password, ok := strings.Cut(line, " ")
		if password = strings.TrimSpace(password); !ok || password == "" {
			return nil, fmt.Errorf("%s:%d: want a name and a password", file, n)
		}
		if _, twice := users[name]; twice {
			return nil, fmt.Errorf("%s:%d: %s is there twice", file, n, name)
		}
		users[name] = password
	}
	return users, lines.Err()
}
