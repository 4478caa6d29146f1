package discover

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// judge says what the probes of a search come to.
func (r *SIPReport) judge() {
	if r.Notes == nil {
		r.Notes = []string{}
	}
	var answered, compared bool
	for _, p := range r.Probes {
		answered = answered || p.Status != 0
		if p.Failure != "" {
			if p.Status != 0 {
				r.note("%s to %v: %s", p.Method, p.To, p.Failure)
			}
			continue
		}
		compared = true
		r.ALG = max(r.ALG, answer(len(p.Out)+len(p.Back) > 0))
	}
	if len(r.Probes) > 0 {
		r.Reachable = answer(answered)
	}
	if !compared {
		return
	}
	r.NAT = answer(r.Mapped != r.Local)
	for _, p := range r.Probes {
		if p.Status == 0 { // others were answered: it is what somebody reads that is not
			r.ALG = Yes
			r.note("%s to %v was not answered, though others were: something on the way drops it", p.Method, p.To)
		}
	}
	if r.Server.Port() != sipPort {
		r.note("the server's port is not %d: an ALG that looks at that one alone is not seen", sipPort)
	}
	if r.ALG == Yes {
		r.Kind = r.kind()
	}
}

// kind is the variant of package sipalg that does as this ALG.
func (r *SIPReport) kind() string {
	var private, public, elsewhere []SIPProbe // as they were written, and to where
	for _, p := range r.Probes {
		switch {
		case p.Failure != "":
		case p.To != r.Server:
			elsewhere = append(elsewhere, p)
		case p.Written != r.Local:
			public = append(public, p)
		default:
			private = append(private, p)
		}
	}
	changed := func(p SIPProbe) bool { return len(p.Out)+len(p.Back) > 0 }
	line := func(name string) func(SIPProbe) bool {
		return func(p SIPProbe) bool {
			return slices.ContainsFunc(p.Out, func(c SIPChange) bool { return c.Line == name })
		}
	}
	some := slices.ContainsFunc[[]SIPProbe]
	switch {
	case some(public, func(p SIPProbe) bool { return len(p.Out) > 0 }):
		return "double"
	case some(private, func(p SIPProbe) bool { return p.WrongLength }):
		return "stale-length"
	case some(elsewhere, changed):
		return "any-port"
	case !some(private, line("Via")):
		return ""
	case some(private, line("c=")) && !some(private, line("a=rtcp")):
		return "linux"
	case some(private, line("c=")) || r.Mapped.Addr() == r.Local.Addr():
		if len(elsewhere) == 0 {
			r.note("whether it looks at other ports than %d is not known: the server has no other one", sipPort)
		}
		return "full"
	}
	return ""
}

// isRefused says that a port unreachable has come back.
func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

func (r *SIPReport) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}
