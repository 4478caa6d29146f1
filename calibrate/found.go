package calibrate

import (
	"strings"
	"time"

	"github.com/natproof/natproof/discover"
)

// measurements are what was found, by property.
type measurements map[string]string

func fromReport(r discover.Report) measurements {
	return measurements{
		Translation: r.NAT.String(),
		Mapping:     r.Mapping.String(),
		Filtering:   r.Filtering.String(),
		FilterScope: r.FilterScope.String(),
		Ports:       portChoice(r.Probes),
		Hairpinning: hairpin(r),
		Idle:        span(r.Lifetime.Span),
		Unreplied:   span(r.Lifetime.Unreplied),
		Refresh:     refresh(r.Lifetime),
		Class:       r.Classic.String(),
		ALG:         r.ALG.String(),
	}
}

func hairpin(r discover.Report) string {
	switch {
	case r.Hairpinning == discover.No:
		return "off"
	case r.Hairpinning != discover.Yes:
		return Unknown
	case r.HairpinSource.Addr() == r.Local.Addr():
		return "internal-source"
	}
	return "external-source"
}

// span is a lifetime as a configuration would give it: the round figure in the
// interval that was found, or the interval. A search that did not end found none.
func span(s discover.Span) string {
	switch {
	case s.Expired == 0 && s.Alive > 0:
		return moreThan(s.Alive)
	case s.Expired == 0 || s.Expired-s.Alive > precision:
		return Unknown
	}
	for _, unit := range []time.Duration{time.Minute, time.Second, 100 * time.Millisecond} {
		if round := s.Expired.Truncate(unit); round > s.Alive {
			return short(round)
		}
	}
	return short(s.Alive) + " to " + short(s.Expired)
}

func moreThan(d time.Duration) string { return "more than " + short(d) }

// short is a duration without its zeros: 5m instead of 5m0s.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if t, ok := strings.CutSuffix(s, zero); ok && len(t) > 0 && (t[len(t)-1] == 'm' || t[len(t)-1] == 'h') {
			s = t
		}
	}
	return s
}

func refresh(l discover.Lifetime) string {
	switch out, in := l.OutboundRefresh, l.InboundRefresh; {
	case out == discover.Yes && in == discover.Yes:
		return "both"
	case out == discover.Yes && in == discover.No:
		return "outbound"
	case out == discover.No && in == discover.Yes:
		return "inbound"
	case out == discover.No && in == discover.No:
		return "none"
	}
	return Unknown
}
