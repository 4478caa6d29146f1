package provision

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/internal/text"
)

// unlike is an error for a word that is none of the known ones.
func unlike[W ~string](invalid error, v string, known []W) error {
	var b strings.Builder
	for i, w := range known {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return fmt.Errorf("%w: %q is none of %s", invalid, v, b.String())
}

// checkText refuses what a value may not have: control characters, which would end header
// fields, and what XML cannot write.
func checkText(v string) error {
	if !utf8.ValidString(v) {
		return fmt.Errorf("%w: not UTF-8", ErrText)
	}
	if strings.ContainsAny(v, "\ufffe\uffff") {
		return fmt.Errorf("%w: U+FFFE or U+FFFF", ErrText)
	}
	if err := text.Value(v); err != nil {
		return fmt.Errorf("%w: %w", ErrText, err)
	}
	return nil
}

// checkUserURI: the prose of the schema demands the prefix, and an address of record has a
// user (RFC 3261 section 19.1.1).
func checkUserURI(v string) error {
	if len(v) < len("sip:") || !strings.EqualFold(v[:len("sip:")], "sip:") {
		return fmt.Errorf("%w: %q does not begin with sip:", ErrInvalidUserURI, v)
	}
	if u, ok := sipmsg.ParseURI(v); !ok || u.User == "" || u.Host == "" {
		return fmt.Errorf("%w: %q is no sip: URI with a user", ErrInvalidUserURI, v)
	}
	return nil
}

// withoutScheme says whether only "sip:" is missing, as in the published samples.
func withoutScheme(v string) bool {
	user, _, at := strings.Cut(v, "@")
	return at && !strings.Contains(user, ":") && checkUserURI("sip:"+v) == nil
}

func checkServerAddress(v string) error {
	_, _, err := splitAddress(v)
	return err
}

var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$`)

// splitAddress takes host[:port] apart; without a port it is 0. An IPv6 address has brackets.
func splitAddress(v string) (host string, port uint16, err error) {
	bad := func(why string) error { return fmt.Errorf("%w: %q: %s", ErrInvalidServerAddress, v, why) }
	host, rest := v, ""
	if i := strings.LastIndexByte(v, ':'); i >= 0 && !strings.HasSuffix(v, "]") {
		host, rest = v[:i], v[i+1:]
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil || n == 0 {
			return "", 0, bad("the port is none of 1 to 65535")
		}
		port = uint16(n)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(host, "]") {
			return "", 0, bad("no IPv6 address in brackets")
		}
		return a.String(), port, nil
	}
	if len(host) > 253 {
		return "", 0, bad("the host is too long")
	}
	for l := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if len(l) > 63 || !label.MatchString(l) {
			return "", 0, bad("no host")
		}
	}
	return host, port, nil
}

// parseAuths reads the words of allowedauth. The logon credentials are no method by
// themselves (IRTCProfile2::put_AllowedAuth).
func parseAuths(v string) ([]Auth, error) {
	var all []Auth
	for w := range strings.FieldsSeq(v) {
		a := Auth(w)
		switch {
		case !slices.Contains(userAuths, a):
			return nil, unlike(ErrInvalidAllowedAuth, w, userAuths)
		case slices.Contains(all, a):
			return nil, fmt.Errorf("%w: %s is there twice", ErrInvalidAllowedAuth, w)
		}
		all = append(all, a)
	}
	if len(all) == 0 || len(all) == 1 && all[0] == LogonCred {
		return nil, fmt.Errorf("%w: no method", ErrInvalidAllowedAuth)
	}
	return all, nil
}

func authText(all []Auth) string {
	words := make([]string, len(all))
	for i, a := range all {
		words[i] = string(a)
	}
	return strings.Join(words, " ")
}

// version is XDR's fixed.14.4.
var version = regexp.MustCompile(`^[0-9]{1,14}(\.[0-9]{1,4})?$`)

func checkVersion(v string) error {
	if v != "" && !version.MatchString(v) {
		return fmt.Errorf("%w: %q has more than 14 digits, a point and 4 digits", ErrInvalidVersion, v)
	}
	return nil
}

func checkURI(v string) error {
	if v == "" {
		return nil
	}
	u, err := url.Parse(v)
	if err == nil && !u.IsAbs() {
		err = errors.New("no scheme")
	}
	if err != nil {
		return fmt.Errorf("%w: %q: %w", ErrInvalidURI, v, err)
	}
	return nil
}

// parseBool reads a boolean of XDR (0, 1), or of the prose.
func parseBool(v string) (*bool, error) {
	b := v == "true" || v == "1"
	if !b && v != "false" && v != "0" {
		return nil, fmt.Errorf("%w: %q", ErrInvalidBool, v)
	}
	return &b, nil
}

func boolText(b *bool) string {
	if b == nil {
		return ""
	}
	return strconv.FormatBool(*b)
}

// parseTime reads XDR's dateTime.tz as RFC 3339 has it: with a time and a zone.
func parseTime(v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.IsZero() {
		return time.Time{}, fmt.Errorf("%w: %q is not like 2010-01-05T12:00:00Z", ErrInvalidExpires, v)
	}
	return t.UTC(), nil
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
