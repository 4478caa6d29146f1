package setting

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/enum"
)

// Word is a setting that is one word of an enumeration.
func Word[C any, E interface {
	~uint8
	fmt.Stringer
}](name, doc string, parse func(string) (E, error), at func(*C) *E) Row[C] {
	return New(name, doc, (*at(new(C))).String(), Form[E]{
		Words: 1,
		Parse: func(words []string) (E, error) { return One(words[0], parse) },
		Print: E.String,
		Check: func(e E) string {
			if _, err := One(e.String(), parse); err != nil {
				return err.Error()
			}
			return ""
		},
	}, at)
}

// Among narrows an enumeration to the values that an engine can honour.
func Among[E interface {
	~uint8
	fmt.Stringer
}](what string, parse func(string) (E, error), values ...E) func(string) (E, error) {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = v.String()
	}
	return func(name string) (E, error) {
		if !slices.Contains(names, name) {
			return 0, &enum.UnknownError{What: what, Name: name, Valid: names}
		}
		return parse(name)
	}
}

// One reads one word of an enumeration.
func One[E any](word string, parse func(string) (E, error)) (E, error) {
	v, err := parse(word)
	var unknown *enum.UnknownError
	if errors.As(err, &unknown) {
		err = unknown // its owner says where
	}
	return v, err
}

// maxTimeout is longer than anything lives.
const maxTimeout = 100 * 365 * 24 * time.Hour

// Timer is a setting that is a time longer than none. Zero is the default.
func Timer[C any](name, doc, standard string, at func(*C) *time.Duration) Row[C] {
	return New(name, doc, standard, Form[time.Duration]{
		Words: 1, Parse: parseDuration, Print: Short,
		Check: func(d time.Duration) string {
			switch {
			case d < 0:
				return fmt.Sprintf("%v is negative", d)
			case d > maxTimeout:
				return fmt.Sprintf("%v is more than %v", d, maxTimeout)
			}
			return ""
		},
	}, at)
}

func parseDuration(words []string) (time.Duration, error) {
	d, err := time.ParseDuration(words[0])
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no time such as 30s, 5m or 2h4m", words[0])
	case d == 0:
		return 0, errors.New("a time is longer than none; the word default takes it back")
	}
	return d, nil
}

// Short prints a time without the parts that are zero: 5m, 2h4m.
func Short(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}

// Number is a setting that is a whole number, which is not 0.
func Number[C any](name, doc, standard string, check func(int) string, at func(*C) *int) Row[C] {
	return New(name, doc, standard, Form[int]{
		Words: 1, Print: strconv.Itoa, Check: check,
		Parse: func(words []string) (int, error) { return Int(words[0]) },
	}, at)
}

// Int reads a number that is not 0.
func Int(word string) (int, error) {
	n, err := strconv.Atoi(word)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no whole number", word)
	case n == 0:
		return 0, errors.New("0 is no value; the word default takes it back")
	}
	return n, nil
}

// Count is a number that is no less than none.
func Count(n int) string {
	if n < 0 {
		return fmt.Sprintf("%d is less than none", n)
	}
	return ""
}

// Flag is a setting that is yes or no.
func Flag[C any](name, doc string, at func(*C) *bool) Row[C] {
	return New(name, doc, "no", Form[bool]{
		Words: 1,
		Parse: func(words []string) (bool, error) {
			switch words[0] {
			case "yes":
				return true, nil
			case "no":
				return false, nil
			}
			return false, fmt.Errorf("%q is neither yes nor no", words[0])
		},
		Print: func(on bool) string {
			if on {
				return "yes"
			}
			return "no"
		},
	}, at)
}

// Ports is a setting that is a range of ports.
func Ports[C any](name, doc, standard string, at func(*C) *natmodels.PortRange) Row[C] {
	return New(name, doc, standard, Form[natmodels.PortRange]{
		Words: 1,
		Parse: func(words []string) (r natmodels.PortRange, err error) {
			first, last, ok := strings.Cut(words[0], "-")
			from, errFirst := strconv.ParseUint(first, 10, 16)
			to, errLast := strconv.ParseUint(last, 10, 16)
			if !ok || errFirst != nil || errLast != nil || from == 0 && to == 0 {
				return r, fmt.Errorf("%q is no range of ports such as 1024-65535", words[0])
			}
			return natmodels.PortRange{First: uint16(from), Last: uint16(to)}, nil
		},
		Print: func(r natmodels.PortRange) string {
			if r == (natmodels.PortRange{}) {
				return ""
			}
			return r.String()
		},
		Check: func(r natmodels.PortRange) string {
			switch r = r.OrDefault(); {
			case r.First == 0:
				return "port 0 cannot be given out"
			case r.First > r.Last:
				return fmt.Sprintf("%v is empty", r)
			}
			return ""
		},
	}, at)
}

// Prefixes is a setting that is a list of prefixes and what they are outside, joined by
// "=".
func Prefixes[C any](name, doc string, at func(*C) *[]natmodels.PrefixMapping) Row[C] {
	return New(name, doc, "none", Form[[]natmodels.PrefixMapping]{
		Parse: func(words []string) (all []natmodels.PrefixMapping, err error) {
			for i, w := range words {
				in, out, _ := strings.Cut(w, "=")
				internal, errIn := netip.ParsePrefix(in)
				external, errOut := netip.ParsePrefix(out)
				if errIn != nil || errOut != nil {
					return nil, &natmodels.WordError{Word: i + 1, Err: fmt.Errorf("%q is not two prefixes such as 10.0.0.0/24=198.51.100.0/24", w)}
				}
				all = append(all, natmodels.PrefixMapping{Internal: internal, External: external})
			}
			return all, nil
		},
		Print: func(all []natmodels.PrefixMapping) string {
			words := make([]string, len(all))
			for i, m := range all {
				words[i] = m.Internal.String() + "=" + m.External.String()
			}
			return strings.Join(words, " ")
		},
	}, at)
}
