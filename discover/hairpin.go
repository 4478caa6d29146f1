package discover

import (
	"context"
	"errors"
	"net/netip"

	pion "github.com/pion/stun/v3"

	"github.com/natproof/natproof/stunclient/attr"
)

// errHeard ends a transaction whose request was seen to arrive.
var errHeard = errors.New("heard")

// hairpinning is RFC 5780 section 3.4: does a request from one socket to the
// mapped address of another arrive there.
func (s *session) hairpinning(ctx context.Context) error {
	if s.report.NAT == No {
		s.note(Hairpinning, "there is no NAT")
		return nil
	}
	heard := make(chan netip.AddrPort, 1)
	x, err := s.open(func(b []byte, from netip.AddrPort) {
		if h, err := attr.ParseHeader(b); err != nil || h.Type != pion.BindingRequest {
			return
		}
		select {
		case heard <- from:
		default:
		}
	})
	if err != nil {
		return err
	}
	defer x.Close()
	y, err := s.open(nil)
	if err != nil {
		return err
	}
	defer y.Close()

	var to [2]netip.AddrPort // the mapped addresses of X and Y
	for i, sock := range []*socket{x, y} {
		var ok bool
		if to[i], ok, err = s.plain(ctx, Hairpinning, sock, s.cfg.Server); err != nil || !ok {
			return err
		}
		if to[i].Addr().Is4() != s.cfg.Local.Is4() { // a NAT64 (RFC 6146)
			s.note(Hairpinning, "the mapped address %v is of another family than %v, which cannot send there", to[i], s.cfg.Local)
			return nil
		}
	}
	// X sends to Y's mapped address, so that filtering is not mistaken for a
	// lack of hairpinning.
	if err := x.Client().Indication(to[1]); err != nil {
		return err
	}

	stop := make(chan struct{})
	asking, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case from := <-heard:
			s.report.HairpinSource = from
			cancel(errHeard)
		case <-stop:
		}
	}()
	_, _, err = s.ask(asking, Hairpinning, y, probe{to: to[0]})
	close(stop)
	<-done
	cancel(nil)
	switch {
	case s.report.HairpinSource.IsValid():
		s.report.Hairpinning = Yes
		return nil
	case err != nil:
		return err
	case s.report.Mapping != EndpointIndependent && s.report.Filtering != EndpointIndependent:
		// Y's mapping towards X could not be known, so X could not open its filter for it.
		s.note(Hairpinning, "nothing arrived, but filtering alone would explain that")
	default:
		s.report.Hairpinning = No
	}
	return nil
}
