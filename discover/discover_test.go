package discover_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pion "github.com/pion/stun/v3"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/conntrack"
	"github.com/natproof/natproof/natmodels/stateless"
	"github.com/natproof/natproof/natmodels/translate"
	"github.com/natproof/natproof/servers/stun"
	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
	"github.com/natproof/natproof/vnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	addr = netip.MustParseAddr
	ap   = netip.MustParseAddrPort

	primary   = ap("203.0.113.10:3478")
	alternate = ap("203.0.113.11:3479")
	external  = addr("198.51.100.1")
	inside    = addr("10.0.0.2")
)

// A world is a host behind a NAT and a STUN server beyond it.
type world struct {
	nat     natmodels.Model
	single  bool                                               // the server has one address
	noSTUN  bool                                               // there is no server
	link    vnet.LinkConfig                                    // between the NAT and the internet
	pieces  vnet.FragmentPolicy                                // what the NAT does with fragments
	wrap    func(net.PacketConn) net.PacketConn                // round the host's sockets
	serving func(conns []net.PacketConn) (func() error, error) // nil: servers/stun
}

// discover runs in the world, under virtual time.
func (w world) discover(t *testing.T, cfg discover.Config) (discover.Report, error) {
	t.Helper()
	var report discover.Report
	var runErr, buildErr error
	err := bubble.Run(func() { report, runErr, buildErr = w.run(cfg) })
	if err := errors.Join(err, buildErr); err != nil {
		t.Fatal(err)
	}
	return report, runErr
}

func (w world) run(cfg discover.Config) (_ discover.Report, runErr, buildErr error) {
	fail := func(err error) (discover.Report, error, error) { return discover.Report{}, nil, err }
	lab, err := vnet.New(vnet.Config{Seed: 1, DiscardTrace: true})
	if err != nil {
		return fail(err)
	}
	defer lab.Close()
	dc, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
	if err != nil {
		return fail(err)
	}
	server, err := dc.AddHost("server", primary.Addr(), alternate.Addr())
	if err != nil {
		return fail(err)
	}
	at := natmodels.Place{Seed: 7}
	switch b := w.nat.Behavior(); {
	case b.Pooling == natmodels.Arbitrary:
		at.External = []netip.Addr{external, addr("198.51.100.2"), addr("198.51.100.3"), addr("198.51.100.4"), addr("198.51.100.5")}
	case b.Translates():
		at.External = []netip.Addr{external}
	}
	gw, err := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: w.nat, Place: at, Link: w.link, Fragments: w.pieces})
	if err != nil {
		return fail(err)
	}
	home, err := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/24")})
	if err != nil {
		return fail(err)
	}
	host, err := home.AddHost("host", inside)
	if err != nil {
		return fail(err)
	}
	stop, err := w.serve(server)
	if err != nil {
		return fail(err)
	}
	cfg.Server, cfg.Local = primary, inside
	cfg.Options.Rand = rand.NewChaCha8([32]byte{1})
	cfg.Listen = func(a netip.AddrPort) (net.PacketConn, error) {
		pc, err := host.ListenPacket("udp4", a.String())
		if err == nil && w.wrap != nil {
			pc = w.wrap(pc)
		}
		return pc, err
	}
	report, runErr := discover.Run(context.Background(), cfg)
	return report, runErr, stop()
}

func (w world) serve(host *vnet.Host) (stop func() error, err error) {
	if w.noSTUN {
		return func() error { return nil }, nil
	}
	other := alternate
	if w.single {
		other = netip.AddrPort{}
	}
	conns, err := stun.Listen(func(a netip.AddrPort) (net.PacketConn, error) { return host.ListenPacket("udp4", a.String()) }, primary, other)
	if err != nil {
		return nil, err
	}
	if w.serving != nil {
		return w.serving(conns)
	}
	return serveSTUN(conns)
}

func serveSTUN(conns []net.PacketConn) (func() error, error) {
	s, err := stun.New(stun.Config{Conns: conns})
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	return func() error { return errors.Join(s.Close(), <-served) }, nil
}

func preset(t *testing.T, name string) translate.Config {
	t.Helper()
	m, err := catalogue.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := m.(translate.Config)
	if !ok {
		t.Fatalf("%s is a %T", name, m)
	}
	return c
}

// All nine combinations and no NAT are told apart; the labels of RFC 3489 are
// those it gives them.
func TestBehaviors(t *testing.T) {
	mappings := map[string]discover.Behavior{"eim": discover.EndpointIndependent, "adm": discover.AddressDependent, "apdm": discover.AddressAndPortDependent}
	filterings := map[string]discover.Behavior{"eif": discover.EndpointIndependent, "adf": discover.AddressDependent, "apdf": discover.AddressAndPortDependent}
	for code, class := range map[string]discover.Class{
		"eim-eif": discover.FullCone, "eim-adf": discover.RestrictedCone, "eim-apdf": discover.PortRestrictedCone,
		"adm-eif": discover.FullCone, "adm-adf": discover.Symmetric, "adm-apdf": discover.Symmetric,
		"apdm-eif": discover.FullCone, "apdm-adf": discover.Symmetric, "apdm-apdf": discover.Symmetric,
	} {
		for _, scope := range []natmodels.FilterScope{natmodels.PerMapping, natmodels.PerEndpoint} {
			t.Run(fmt.Sprintf("%s/%s", code, scope), func(t *testing.T) {
				nat := preset(t, code)
				nat.FilterScope = scope
				r, err := world{nat: nat}.discover(t, discover.Config{})
				if err != nil {
					t.Fatal(err)
				}
				m, f, _ := strings.Cut(code, "-")
				if r.Mapping != mappings[m] || r.Filtering != filterings[f] || r.Classic != class {
					t.Errorf("found %v mapping, %v filtering, %v", r.Mapping, r.Filtering, r.Classic)
				}
				if r.Reachable != discover.Yes || r.NAT != discover.Yes || r.ALG != discover.No || r.Fragments != discover.Yes {
					t.Errorf("%+v", r)
				}
				if r.Mapped.Addr() != external || r.Local.Addr() != inside || r.Other != alternate || r.Server != primary {
					t.Errorf("%+v", r)
				}
				if (r.SamePort == discover.Yes) != (m == "eim") {
					t.Errorf("same port: %v", r.SamePort)
				}
				// Where X cannot open its filter for Y beforehand, silence says nothing.
				hidden := m != "eim" && (f == "apdf" || f == "adf" && scope == natmodels.PerMapping)
				if hidden != (r.Hairpinning == discover.NotKnown) || !hidden && (r.Hairpinning != discover.Yes || r.HairpinSource.Addr() != external) {
					t.Errorf("hairpinning %v from %v", r.Hairpinning, r.HairpinSource)
				}
				if want := scopeOf(code, scope); r.FilterScope != want {
					t.Errorf("filter scope %v, want %v", r.FilterScope, want)
				}
				if r.Lifetime != (discover.Lifetime{}) {
					t.Errorf("lifetime was not asked for: %+v", r.Lifetime)
				}
				checkProbes(t, r)
			})
		}
	}
}

// scopeOf is the filter scope where it makes a difference.
func scopeOf(code string, scope natmodels.FilterScope) discover.Scope {
	switch {
	case strings.HasPrefix(code, "eim-") || strings.HasSuffix(code, "-eif"):
		return discover.UnknownScope
	case scope == natmodels.PerEndpoint:
		return discover.PerEndpoint
	}
	return discover.PerMapping
}

// checkProbes: at most ten new transactions a second, and filtering was asked
// before anything was sent to the alternate address.
func checkProbes(t *testing.T, r discover.Report) {
	t.Helper()
	var last time.Duration = -time.Hour
	alternateUsed := false
	for _, p := range r.Probes {
		if p.At-last < 100*time.Millisecond {
			t.Errorf("%v after the one before: %+v", p.At-last, p)
		}
		last = p.At
		if p.Test == discover.Filtering && (p.ChangeIP || p.ChangePort) && alternateUsed {
			t.Errorf("the alternate address was used before %+v", p)
		}
		alternateUsed = alternateUsed || p.To.Addr() == alternate.Addr()
	}
}

func TestNoNAT(t *testing.T) {
	// A router on the way to a network with public addresses.
	r, err := world{nat: stateless.Router{}}.discover(t, discover.Config{Tests: discover.Tests()})
	if err != nil {
		t.Fatal(err)
	}
	if r.NAT != discover.No || r.Mapping != discover.EndpointIndependent || r.Filtering != discover.EndpointIndependent ||
		r.Classic != discover.OpenInternet || r.Mapped != r.Local || r.Hairpinning != discover.NotKnown {
		t.Errorf("%+v", r)
	}
	wantNotes(t, r, "hairpinning: there is no NAT", "lifetime: there is no NAT")
}

func wantNotes(t *testing.T, r discover.Report, want ...string) {
	t.Helper()
	var got []string
	for _, n := range r.Notes {
		got = append(got, string(n.Test)+": "+n.Text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("notes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestHairpinning(t *testing.T) {
	for _, tc := range []struct {
		mode   natmodels.HairpinMode
		want   discover.Answer
		source netip.Addr
	}{
		{natmodels.NoHairpinning, discover.No, netip.Addr{}},
		{natmodels.ExternalSource, discover.Yes, external},
		{natmodels.InternalSource, discover.Yes, inside},
	} {
		for _, filtering := range []string{"eim-eif", "eim-adf", "eim-apdf"} {
			nat := preset(t, filtering)
			nat.Hairpin = tc.mode
			r, err := world{nat: nat}.discover(t, discover.Config{Tests: []discover.Test{discover.Mapping, discover.Filtering, discover.Hairpinning}})
			if err != nil || r.Hairpinning != tc.want || r.HairpinSource.Addr() != tc.source {
				t.Errorf("%v %s: %v from %v, %v", tc.mode, filtering, r.Hairpinning, r.HairpinSource, err)
			}
		}
	}
}

func TestLifetime(t *testing.T) {
	const never = discover.NotKnown
	for _, tc := range []struct {
		code            string
		idle, unreplied time.Duration
		refresh         natmodels.Refresh
		longest         time.Duration
		out, in         discover.Answer
	}{
		{"eim-eif", 30 * time.Second, 0, natmodels.RefreshOutbound, 0, discover.Yes, discover.No},
		{"eim-apdf", 2 * time.Minute, 30 * time.Second, natmodels.RefreshBoth, 0, discover.Yes, discover.Yes},
		{"eim-apdf", 2 * time.Minute, 0, natmodels.RefreshInbound, 0, discover.No, discover.Yes},
		{"apdm-apdf", 5 * time.Minute, time.Minute, natmodels.RefreshOutbound, 0, discover.Yes, discover.No},
		{"adm-adf", 5 * time.Minute, 3 * time.Second, natmodels.RefreshBoth, 0, discover.Yes, discover.Yes},
		{"eim-adf", 90 * time.Second, 20 * time.Second, natmodels.RefreshOutbound, time.Minute, never, never},
	} {
		t.Run(fmt.Sprintf("%s/%v/%v/%v", tc.code, tc.idle, tc.unreplied, tc.refresh), func(t *testing.T) {
			nat := preset(t, tc.code)
			nat.IdleTimeout, nat.UnrepliedTimeout, nat.Refresh = tc.idle, tc.unreplied, tc.refresh
			r, err := world{nat: nat}.discover(t, discover.Config{Tests: []discover.Test{discover.BindingLifetime}, LifetimeMax: tc.longest})
			if err != nil {
				t.Fatal(err)
			}
			l := r.Lifetime
			if l.OutboundRefresh != tc.out || l.InboundRefresh != tc.in || len(r.Notes) > 0 {
				t.Errorf("%+v %+v", l, r.Notes)
			}
			if tc.longest > 0 && l.Span != (discover.Span{Alive: tc.longest}) {
				t.Errorf("%+v, want alive after %v", l.Span, tc.longest)
			}
			if tc.longest == 0 {
				within(t, l.Span, tc.idle)
			}
			if tc.unreplied == 0 {
				tc.unreplied = tc.idle
			}
			within(t, l.Unreplied, tc.unreplied)
		})
	}
}

func within(t *testing.T, s discover.Span, want time.Duration) {
	t.Helper()
	if s.Alive >= want || s.Expired < want || s.Expired-s.Alive > time.Second {
		t.Errorf("%+v, want %v", s, want)
	}
}

// A flow on Linux gets its longer timer when it is older than two seconds, and
// an unreplied one never.
func TestLifetimeOfStreams(t *testing.T) {
	for _, choice := range []natmodels.PortChoice{natmodels.PreserveElseRandom, natmodels.Random} {
		nat := conntrack.Config{PortChoice: choice}
		r, err := world{nat: nat}.discover(t, discover.Config{Tests: []discover.Test{discover.BindingLifetime}})
		if err != nil || len(r.Notes) > 0 || r.Lifetime.OutboundRefresh != discover.Yes || r.Lifetime.InboundRefresh != discover.Yes {
			t.Errorf("%+v, %v", r, err)
		}
		within(t, r.Lifetime.Span, 2*time.Minute)
		within(t, r.Lifetime.Unreplied, 30*time.Second)
	}
}

// Of several external addresses each socket may have another. The test takes
// sockets until two have the same.
func TestLifetimeOfArbitraryPools(t *testing.T) {
	for _, code := range []string{"eim-eif", "apdm-apdf"} {
		nat := preset(t, code)
		nat.Pooling, nat.IdleTimeout, nat.UnrepliedTimeout = natmodels.Arbitrary, 2*time.Minute, time.Minute
		r, err := world{nat: nat}.discover(t, discover.Config{Tests: []discover.Test{discover.BindingLifetime}})
		if err != nil || len(r.Notes) > 0 || r.Lifetime.OutboundRefresh != discover.Yes || r.Lifetime.InboundRefresh != discover.No {
			t.Errorf("%s: %+v %+v, %v", code, r.Lifetime, r.Notes, err)
		}
		within(t, r.Lifetime.Span, nat.IdleTimeout)
		within(t, r.Lifetime.Unreplied, nat.UnrepliedTimeout)
	}
}

func TestNobodyAnswers(t *testing.T) {
	r, err := world{nat: preset(t, "eim-eif"), noSTUN: true}.discover(t, discover.Config{Tests: discover.Tests()})
	if err != nil || r.Reachable != discover.No || r.Classic != discover.Blocked || r.NAT != discover.NotKnown || len(r.Probes) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = world{nat: preset(t, "eim-eif"), noSTUN: true}.discover(t, discover.Config{Tests: []discover.Test{}})
	if err != nil || r.Reachable != discover.No || r.Classic != discover.Unclassified || len(r.Probes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if p := r.Probes[0]; p.Failure != "no response" || p.Sends != 0 {
		t.Errorf("%+v", p)
	}
}

func TestSingleAddressServer(t *testing.T) {
	r, err := world{nat: preset(t, "eim-apdf"), single: true}.discover(t, discover.Config{Tests: discover.Tests(), LifetimeMax: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if r.Mapping != discover.Unknown || r.Filtering != discover.Unknown || r.Classic != discover.Unclassified ||
		r.NAT != discover.Yes || r.Fragments != discover.Yes || r.Lifetime.Alive != time.Minute {
		t.Errorf("%+v", r)
	}
	wantNotes(t, r, "filtering: the server has no OTHER-ADDRESS", "mapping: the server has no OTHER-ADDRESS",
		"filter-scope: the server has no OTHER-ADDRESS",
		"classic: the server has no CHANGED-ADDRESS")
}

// An alternate address that is there in name only must not pass for a strict filter.
func TestDeadAlternateAddress(t *testing.T) {
	w := world{nat: preset(t, "eim-eif"), serving: func(conns []net.PacketConn) (func() error, error) {
		for i, c := range conns {
			if i > 0 {
				conns[i] = deaf{c}
			}
		}
		return serveSTUN(conns)
	}}
	r, err := w.discover(t, discover.Config{})
	if err != nil || r.Filtering != discover.Unknown || r.Mapping != discover.Unknown || r.Classic != discover.Unclassified {
		t.Errorf("%+v, %v", r, err)
	}
	wantNotes(t, r, "mapping: 203.0.113.11:3478 did not answer", "filter-scope: 203.0.113.11:3479 did not answer", "classic: 203.0.113.11:3479 did not answer",
		"filtering: 203.0.113.10:3479 does not answer at all: its silence proves nothing")
}

// deaf is a socket whose packets go nowhere.
type deaf struct{ net.PacketConn }

func (d deaf) WriteTo(b []byte, _ net.Addr) (int, error) { return len(b), nil }

func TestALG(t *testing.T) {
	w := world{nat: preset(t, "eim-eif"), wrap: func(pc net.PacketConn) net.PacketConn { return meddler{pc, external, inside} }}
	r, err := w.discover(t, discover.Config{})
	if err != nil || r.ALG != discover.Yes || r.Mapping != discover.EndpointIndependent || r.Filtering != discover.EndpointIndependent {
		t.Errorf("%+v, %v", r, err)
	}
}

// meddler rewrites an address in payloads, as a generic ALG does.
type meddler struct {
	net.PacketConn
	old, new netip.Addr
}

func (m meddler) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := m.PacketConn.ReadFrom(b)
	copy(b, strings.Replace(string(b[:n]), string(m.old.AsSlice()), string(m.new.AsSlice()), 1))
	return n, from, err
}

func TestFragments(t *testing.T) {
	w := world{nat: preset(t, "eim-eif"), link: vnet.LinkConfig{MTU: 1500}}
	r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Fragments}})
	if err != nil || r.Fragments != discover.Yes { // the host is told what the path carries, and cuts
		t.Errorf("%v, %v", r.Fragments, err)
	}
	w.pieces = vnet.DropFragments
	r, err = w.discover(t, discover.Config{Tests: []discover.Test{discover.Fragments}})
	if err != nil || r.Fragments != discover.No {
		t.Errorf("%v, %v", r.Fragments, err)
	}
	r, err = w.discover(t, discover.Config{Tests: []discover.Test{discover.Fragments}, Padding: 4})
	if err != nil || r.Fragments != discover.No { // the answer's PADDING is as long as the MTU
		t.Errorf("%v, %v", r.Fragments, err)
	}
}

// Loss is no verdict.
func TestLoss(t *testing.T) {
	w := world{nat: preset(t, "adm-adf"), link: vnet.LinkConfig{Loss: 0.1, Latency: 20 * time.Millisecond}}
	r, err := w.discover(t, discover.Config{})
	if err != nil || r.Mapping != discover.AddressDependent || r.Filtering != discover.AddressDependent || r.Classic != discover.Symmetric {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSameSeedSameReport(t *testing.T) {
	var first string
	for range 20 {
		r, err := world{nat: preset(t, "apdm-apdf")}.discover(t, discover.Config{Tests: discover.Tests()})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = string(b)
		}
		if string(b) != first {
			t.Fatalf("%s\n%s", first, b)
		}
	}
	for _, want := range []string{`"mapping":"address-and-port-dependent"`, `"classic":"symmetric"`, `"nat":"yes"`, `"alive":299`} {
		if !strings.Contains(first, want) {
			t.Errorf("%s lacks %s", first, want)
		}
	}
}

// Servers that are not quite RFC 5780.
func TestOddServers(t *testing.T) {
	// odd answers every request with one set of attributes.
	odd := func(set func(request []byte, m *pion.Message, from netip.AddrPort) []byte) world {
		return world{nat: preset(t, "eim-apdf"), single: true, serving: func(conns []net.PacketConn) (func() error, error) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				buf := make([]byte, 4096)
				for {
					n, from, err := conns[0].ReadFrom(buf)
					if err != nil {
						return
					}
					_, m, err := attr.Decode(buf[:n])
					if err != nil {
						continue
					}
					src, _ := attr.FromNet(from)
					if b := set(buf[:n], m, src); b != nil {
						_, _ = conns[0].WriteTo(b, from)
					}
				}
			}()
			return func() error { err := conns[0].Close(); <-done; return err }, nil
		}}
	}
	success := func(b []byte, from netip.AddrPort, more ...pion.Setter) []byte {
		h, _ := attr.ParseHeader(b)
		set := []pion.Setter{pion.BindingSuccess, h.ID, attr.Address{Type: pion.AttrMappedAddress, AddrPort: from}}
		return pion.MustBuild(append(set, more...)...).Raw
	}
	failure := func(b []byte, code pion.ErrorCode) []byte {
		h, _ := attr.ParseHeader(b)
		return pion.MustBuild(pion.BindingError, h.ID, code).Raw
	}
	other := attr.Address{Type: pion.AttrOtherAddress, AddrPort: alternate}
	changed := attr.Address{Type: pion.AttrChangedAddress, AddrPort: alternate}

	t.Run("ignores CHANGE-REQUEST, PADDING and RESPONSE-PORT", func(t *testing.T) {
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte { return success(b, from, other, changed) })
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Filtering, discover.Fragments, discover.BindingLifetime, discover.Classic}})
		if err != nil || r.Filtering != discover.Unknown || r.Fragments != discover.NotKnown || r.ALG != discover.NotKnown {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "filtering: asked to answer from 203.0.113.11:3479, the server answered from 203.0.113.10:3478",
			"fragments: the server does not do PADDING", "lifetime: the server does not do RESPONSE-PORT",
			"classic: asked to answer from 203.0.113.11:3479, the server answered from 203.0.113.10:3478")
	})
	t.Run("refuses all options", func(t *testing.T) {
		w := odd(func(b []byte, m *pion.Message, from netip.AddrPort) []byte {
			if len(m.Attributes) > 0 {
				return failure(b, 400)
			}
			return success(b, from, other, changed)
		})
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Filtering, discover.Fragments, discover.BindingLifetime, discover.Classic}})
		if err != nil {
			t.Error(err)
		}
		wantNotes(t, r, "filtering: the server does not do CHANGE-REQUEST", "fragments: the server does not do PADDING",
			"lifetime: the server does not do RESPONSE-PORT", "classic: the server does not do CHANGE-REQUEST")
	})
	t.Run("refuses everything", func(t *testing.T) {
		r, err := odd(func(b []byte, _ *pion.Message, _ netip.AddrPort) []byte { return failure(b, 500) }).discover(t, discover.Config{})
		if err != nil || r.Reachable != discover.Yes || r.Mapped.IsValid() || r.NAT != discover.NotKnown || len(r.Probes) != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "connectivity: the server answers, but of no use: error response 500 Server Error", "classic: the server does not speak RFC 3489")
	})
	t.Run("garbles", func(t *testing.T) {
		w := odd(func(b []byte, _ *pion.Message, _ netip.AddrPort) []byte {
			h, _ := attr.ParseHeader(b)
			return pion.MustBuild(pion.BindingSuccess, h.ID).Raw
		})
		r, err := w.discover(t, discover.Config{})
		if err != nil || r.Reachable != discover.Yes || r.Mapped.IsValid() || r.Classic != discover.Unclassified {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("tells a mapped address that nobody has", func(t *testing.T) {
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte {
			return success(b, netip.AddrPortFrom(from.Addr(), 0))
		})
		r, err := w.discover(t, discover.Config{})
		if err != nil || r.Reachable != discover.Yes || r.Mapped.IsValid() || r.Hairpinning != discover.NotKnown {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "connectivity: the server answers, but of no use: a mapped address that no socket has: 198.51.100.1:0", "classic: the server does not speak RFC 3489")
	})
	t.Run("sees another family, as behind a NAT64", func(t *testing.T) {
		w := odd(func(b []byte, _ *pion.Message, _ netip.AddrPort) []byte { return success(b, ap("[2001:db8::1]:7000")) })
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Hairpinning}})
		if err != nil || r.NAT != discover.Yes || r.Hairpinning != discover.NotKnown {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "hairpinning: the mapped address [2001:db8::1]:7000 is of another family than 10.0.0.2, which cannot send there")
	})
	t.Run("knows RFC 8489 only", func(t *testing.T) {
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte {
			if h, _ := attr.ParseHeader(b); h.ID.Legacy() {
				return nil
			}
			return success(b, from)
		})
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Classic}})
		if err != nil || r.Reachable != discover.Yes || r.Mapped.Addr() != external || r.Classic != discover.Unclassified {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "classic: the server answers other requests, and none of RFC 3489, which have no magic cookie")
	})
	t.Run("knows RFC 3489 only", func(t *testing.T) {
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte {
			if h, _ := attr.ParseHeader(b); !h.ID.Legacy() {
				return nil
			}
			return success(b, from)
		})
		r, err := w.discover(t, discover.Config{})
		if err != nil || r.Reachable != discover.Yes || r.Mapped.IsValid() || r.Classic != discover.Unclassified {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "connectivity: the server answers requests of RFC 3489, and none with the magic cookie of RFC 8489",
			"classic: the server has no CHANGED-ADDRESS")
	})
	t.Run("two sockets never have one external address", func(t *testing.T) {
		n := byte(0)
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte {
			n++
			return success(b, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, n}), from.Port()))
		})
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.BindingLifetime}})
		if err != nil || r.Lifetime != (discover.Lifetime{}) {
			t.Errorf("%+v, %v", r.Lifetime, err)
		}
		wantNotes(t, r, "lifetime: 64 sockets, and none has the external address 198.51.100.2 of another one")
	})
	t.Run("OTHER-ADDRESS that is not another", func(t *testing.T) {
		same := attr.Address{Type: pion.AttrOtherAddress, AddrPort: netip.AddrPortFrom(primary.Addr(), 3479)}
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte { return success(b, from, same) })
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Mapping}})
		if err != nil || r.Mapping != discover.Unknown {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "connectivity: OTHER-ADDRESS 203.0.113.10:3479 shares address or port with the server 203.0.113.10:3478: not used",
			"mapping: the server has no OTHER-ADDRESS")
	})
	for name, o := range map[string]struct {
		addr netip.AddrPort
		says string
	}{
		"another family": {ap("[2001:db8::1]:3479"), "is of another family than the server 203.0.113.10:3478"},
		"port 0":         {netip.AddrPortFrom(alternate.Addr(), 0), "is not the address of another host"},
		"nowhere":        {ap("0.0.0.0:3479"), "is not the address of another host"},
		"multicast":      {ap("224.0.0.1:3479"), "is not the address of another host"},
		"loopback":       {ap("127.0.0.1:3479"), "is not the address of another host"},
	} {
		t.Run("an alternate address that is "+name, func(t *testing.T) {
			w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte {
				return success(b, from, attr.Address{Type: pion.AttrOtherAddress, AddrPort: o.addr}, attr.Address{Type: pion.AttrChangedAddress, AddrPort: o.addr})
			})
			r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.Mapping, discover.Classic}})
			if err != nil || r.Mapping != discover.Unknown || r.Classic != discover.Unclassified || r.Other.IsValid() {
				t.Errorf("%+v, %v", r, err)
			}
			wantNotes(t, r, fmt.Sprintf("connectivity: OTHER-ADDRESS %v %s: not used", o.addr, o.says), "mapping: the server has no OTHER-ADDRESS",
				fmt.Sprintf("classic: CHANGED-ADDRESS %v %s: not used", o.addr, o.says))
		})
	}
	t.Run("goes away", func(t *testing.T) {
		n := 0
		w := odd(func(b []byte, _ *pion.Message, from netip.AddrPort) []byte {
			if n++; n > 1 {
				return nil
			}
			return success(b, from, other)
		})
		r, err := w.discover(t, discover.Config{Tests: discover.Tests()})
		if err != nil || r.Reachable != discover.Yes || r.Fragments != discover.NotKnown || r.Classic != discover.Unclassified ||
			r.Lifetime != (discover.Lifetime{}) || r.Hairpinning != discover.NotKnown {
			t.Errorf("%+v, %v", r, err)
		}
		wantNotes(t, r, "filtering: 203.0.113.10:3478 did not answer", "mapping: 203.0.113.10:3478 did not answer",
			"filter-scope: 203.0.113.10:3478 did not answer", "hairpinning: 203.0.113.10:3478 did not answer",
			"fragments: 203.0.113.10:3478 did not answer", "lifetime: 203.0.113.10:3478 did not answer",
			"classic: the server answers other requests, and none of RFC 3489, which have no magic cookie")
	})
}

// An answer that contradicts a class beats it, and silence is that of a filter only if
// the address that is silent answers when it is asked.
func TestDoubt(t *testing.T) {
	router, err := catalogue.Lookup("none")
	if err != nil {
		t.Fatal(err)
	}
	// mute makes some of the server's sockets deaf.
	mute := func(which ...netip.AddrPort) func([]net.PacketConn) (func() error, error) {
		return func(conns []net.PacketConn) (func() error, error) {
			for i, c := range conns {
				if a, _ := attr.FromNet(c.LocalAddr()); slices.Contains(which, a) {
					conns[i] = deaf{c}
				}
			}
			return serveSTUN(conns)
		}
	}
	otherPort := netip.AddrPortFrom(primary.Addr(), alternate.Port())
	for _, tc := range []struct {
		name      string
		world     world
		tests     []discover.Test
		filtering discover.Behavior
		class     discover.Class
		notes     []string
	}{
		{name: "no NAT, and an alternate address that is dead", world: world{nat: router, serving: mute(alternate, otherPort)},
			notes: []string{"filtering: 203.0.113.10:3479 does not answer at all: its silence proves nothing",
				"classic: 203.0.113.11:3479 does not answer at all: its silence proves nothing"}},
		{name: "filtering alone, and an alternate address that is dead", world: world{nat: preset(t, "eim-eif"), serving: mute(alternate)},
			tests: []discover.Test{discover.Filtering}, notes: []string{"filtering: 203.0.113.11:3479 does not answer at all: its silence proves nothing"}},
		{name: "filtering alone, all alive", world: world{nat: preset(t, "apdm-apdf")},
			tests: []discover.Test{discover.Filtering}, filtering: discover.AddressAndPortDependent},
		{name: "a dead alternate port", world: world{nat: preset(t, "eim-adf"), serving: mute(otherPort)},
			tests: []discover.Test{discover.Filtering, discover.Classic},
			notes: []string{"filtering: 203.0.113.10:3479 does not answer at all: its silence proves nothing",
				"classic: 203.0.113.10:3479 does not answer at all: its silence proves nothing"}},
		// Payloads are rewritten to the inside address, and RFC 3489 believes them.
		{name: "a generic ALG", world: world{nat: preset(t, "eim-eif"), wrap: func(pc net.PacketConn) net.PacketConn { return meddler{pc, external, inside} }},
			tests: []discover.Test{discover.Classic},
			notes: []string{"classic: open Internet is what the tree of RFC 3489 says, but XOR-MAPPED-ADDRESS was another address than this host's"}},
		{name: "a generic ALG and no NAT", world: world{nat: router, wrap: func(pc net.PacketConn) net.PacketConn { return meddler{pc, inside, external} }},
			tests: []discover.Test{discover.Classic},
			notes: []string{"classic: full cone is what the tree of RFC 3489 says, but XOR-MAPPED-ADDRESS was this host's own address"}},
		{name: "a server that ignores what RFC 3489 asks to change, and a lesser filter", world: world{nat: preset(t, "eim-adf"), wrap: func(pc net.PacketConn) net.PacketConn { return forgetful{pc} }},
			tests: []discover.Test{discover.Filtering, discover.Classic}, filtering: discover.AddressDependent,
			notes: []string{"classic: port restricted cone is what the tree of RFC 3489 says, but an answer from a port never sent to has arrived"}},
		// CHANGE-REQUEST is answered with the magic cookie only.
		{name: "a server that ignores what RFC 3489 asks to change", world: world{nat: preset(t, "eim-eif"), wrap: func(pc net.PacketConn) net.PacketConn { return forgetful{pc} }},
			tests: []discover.Test{discover.Filtering, discover.Classic}, filtering: discover.EndpointIndependent,
			notes: []string{"classic: port restricted cone is what the tree of RFC 3489 says, but an answer from an address never sent to has arrived"}},
		{name: "a server that answers from another address", world: world{nat: router, serving: func(conns []net.PacketConn) (func() error, error) {
			return serveSTUN([]net.PacketConn{crossed{conns[0], conns[3]}, conns[1], conns[2], crossed{conns[3], conns[0]}})
		}}, tests: []discover.Test{discover.Classic}, notes: []string{
			"connectivity: the server answers, but of no use: 5 responses from an address that was not asked",
			"classic: the server does not speak RFC 3489"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := tc.world.discover(t, discover.Config{Tests: tc.tests})
			if err != nil || r.Filtering != tc.filtering || r.Classic != tc.class || r.Reachable != discover.Yes {
				t.Errorf("%+v, %v", r, err)
			}
			if tc.tests != nil {
				wantNotes(t, r, tc.notes...)
				return
			}
			for _, n := range tc.notes {
				if !slices.ContainsFunc(r.Notes, func(got discover.Note) bool { return string(got.Test)+": "+got.Text == n }) {
					t.Errorf("no note %q in %q", n, r.Notes)
				}
			}
		})
	}
}

// forgetful is a socket that does not send requests of RFC 3489 with CHANGE-REQUEST.
type forgetful struct{ net.PacketConn }

func (f forgetful) WriteTo(b []byte, to net.Addr) (int, error) {
	if h, m, err := attr.Decode(b); err == nil && h.ID.Legacy() && m.Contains(pion.AttrChangeRequest) {
		return len(b), nil
	}
	return f.PacketConn.WriteTo(b, to)
}

// crossed is a socket that sends from another one.
type crossed struct {
	net.PacketConn
	other net.PacketConn
}

func (c crossed) WriteTo(b []byte, to net.Addr) (int, error) { return c.other.WriteTo(b, to) }

// A server that goes away during the search is not a mapping that has expired.
func TestLifetimeOfServer(t *testing.T) {
	nat := preset(t, "eim-eif")
	nat.IdleTimeout = time.Hour
	for n := range 24 {
		var left atomic.Int64
		left.Store(int64(n))
		w := world{nat: nat, serving: func(conns []net.PacketConn) (func() error, error) {
			for i, c := range conns {
				conns[i] = dying{c, &left}
			}
			return serveSTUN(conns)
		}}
		r, err := w.discover(t, discover.Config{Tests: []discover.Test{discover.BindingLifetime}})
		if err != nil || r.Lifetime.Expired != 0 || r.Lifetime.Unreplied.Expired != 0 || len(r.Notes) > 1 {
			t.Fatalf("gone after %d answers: %+v, %v, %v", n, r.Lifetime, r.Notes, err)
		}
		if n > 0 && left.Load() < 0 && len(r.Notes) == 0 {
			t.Errorf("gone after %d answers, and nothing tells", n)
		}
	}
}

// dying is a socket that sends so many datagrams, and then none.
type dying struct {
	net.PacketConn
	left *atomic.Int64
}

func (d dying) WriteTo(b []byte, to net.Addr) (int, error) {
	if d.left.Add(-1) < 0 {
		return len(b), nil
	}
	return d.PacketConn.WriteTo(b, to)
}

// Wherever a run fails, it says so, returns what it has, and leaves nothing behind.
func TestFailsAnywhere(t *testing.T) {
	broken := errors.New("network is down")
	nat := preset(t, "eim-apdf")
	nat.IdleTimeout = 30 * time.Second
	cfg := discover.Config{Tests: discover.Tests(), LifetimeMax: time.Minute, LifetimePrecision: 5 * time.Second}
	for n := 0; ; n++ {
		left := n
		w := world{nat: nat, wrap: func(pc net.PacketConn) net.PacketConn { return fuse{pc, &left, broken} }}
		r, err := w.discover(t, cfg)
		if err == nil {
			if left < 0 || n < 60 || r.Classic != discover.PortRestrictedCone || r.Lifetime.InboundRefresh != discover.No {
				t.Errorf("ended well after %d datagrams: %+v", n, r)
			}
			return
		}
		if !errors.Is(err, broken) || r.Server != primary {
			t.Fatalf("%d datagrams: %+v, %v", n, r, err)
		}
	}
}

// fuse is a socket that sends so many datagrams and no more.
type fuse struct {
	net.PacketConn
	left *int
	err  error
}

func (f fuse) WriteTo(b []byte, to net.Addr) (int, error) {
	if *f.left--; *f.left < 0 {
		return 0, f.err
	}
	return f.PacketConn.WriteTo(b, to)
}

func TestFirewall(t *testing.T) {
	for strict, want := range map[bool]discover.Behavior{true: discover.AddressAndPortDependent, false: discover.AddressDependent} {
		w := world{nat: stateless.Router{}, wrap: func(pc net.PacketConn) net.PacketConn {
			return &firewall{PacketConn: pc, strict: strict, asked: map[string]bool{}}
		}}
		r, err := w.discover(t, discover.Config{})
		if err != nil || r.NAT != discover.No || r.Mapping != discover.EndpointIndependent || r.Filtering != want || r.Classic != discover.SymmetricFirewall {
			t.Errorf("strict %v: %+v, %v", strict, r, err)
		}
	}
}

// firewall is a socket that hears only those it has spoken to.
type firewall struct {
	net.PacketConn
	strict bool // port and all
	mu     sync.Mutex
	asked  map[string]bool
}

func (f *firewall) key(a net.Addr) string {
	ap, _ := attr.FromNet(a)
	if f.strict {
		return ap.String()
	}
	return ap.Addr().String()
}

func (f *firewall) WriteTo(b []byte, to net.Addr) (int, error) {
	f.mu.Lock()
	f.asked[f.key(to)] = true
	f.mu.Unlock()
	return f.PacketConn.WriteTo(b, to)
}

func (f *firewall) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := f.PacketConn.ReadFrom(b)
		f.mu.Lock()
		ok := err != nil || f.asked[f.key(from)]
		f.mu.Unlock()
		if ok {
			return n, from, err
		}
	}
}

func TestConfig(t *testing.T) {
	good := discover.Config{Server: primary, Local: inside, Listen: func(netip.AddrPort) (net.PacketConn, error) { return nil, errors.New("unused") }}
	for says, change := range map[string]func(*discover.Config){
		"server":             func(c *discover.Config) { c.Server = netip.AddrPort{} },
		"want an address":    func(c *discover.Config) { c.Server = netip.AddrPortFrom(primary.Addr(), 0) },
		"of one host":        func(c *discover.Config) { c.Server = ap("224.0.0.1:3478") },
		"local address":      func(c *discover.Config) { c.Local = netip.Addr{} },
		"concrete":           func(c *discover.Config) { c.Local = netip.IPv4Unspecified() },
		"different families": func(c *discover.Config) { c.Local = addr("2001:db8::1") },
		"Listen is nil":      func(c *discover.Config) { c.Listen = nil },
		"Options.Other":      func(c *discover.Config) { c.Options.Other = func([]byte, netip.AddrPort) {} },
		"padding":            func(c *discover.Config) { c.Padding = -1 },
		"lifetime":           func(c *discover.Config) { c.LifetimeMax = -1 },
		"precision":          func(c *discover.Config) { c.LifetimePrecision = -1 },
		`test "speed"`:       func(c *discover.Config) { c.Tests = []discover.Test{"speed"} },
	} {
		cfg := good
		change(&cfg)
		if _, err := discover.Run(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), "discover: config: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestRunErrors(t *testing.T) {
	broken := errors.New("no such device")
	cfg := discover.Config{Server: primary, Local: inside, Listen: func(netip.AddrPort) (net.PacketConn, error) { return nil, broken }}
	if _, err := discover.Run(t.Context(), cfg); !errors.Is(err, broken) || !errors.Is(err, discover.ErrBind) || err.Error() != "discover: connectivity: bind failed: no such device" {
		t.Errorf("got %v", err)
	}
	loopback := func(netip.AddrPort) (net.PacketConn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(ap("127.0.0.1:0")))
	}
	cfg.Listen = loopback
	if _, err := discover.Run(t.Context(), cfg); !errors.Is(err, discover.ErrBind) || !strings.Contains(err.Error(), "instead of 10.0.0.2") {
		t.Errorf("got %v", err)
	}
	cfg.Local, cfg.Server = addr("127.0.0.1"), ap("127.0.0.1:9")
	cfg.Options = stunclient.Options{Rc: -1}
	if _, err := discover.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "Rc") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	cfg.Options = stunclient.Options{}
	if _, err := discover.Run(ctx, cfg); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestLoopback(t *testing.T) {
	listen := func(a netip.AddrPort) (net.PacketConn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
	}
	conns, err := stun.Listen(listen, ap("127.0.0.1:0"), ap("127.0.0.2:0"))
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	stop, err := serveSTUN(conns)
	if err != nil {
		t.Fatal(err)
	}
	server, _ := attr.FromNet(conns[0].LocalAddr())
	r, err := discover.Run(t.Context(), discover.Config{Server: server, Local: addr("127.0.0.1"), Listen: listen})
	if err := errors.Join(err, stop()); err != nil {
		t.Fatal(err)
	}
	if r.NAT != discover.No || r.Mapping != discover.EndpointIndependent || r.Filtering != discover.EndpointIndependent ||
		r.Classic != discover.OpenInternet || r.Fragments != discover.Yes || r.ALG != discover.No {
		t.Errorf("%+v", r)
	}
}

func TestNames(t *testing.T) {
	for want, s := range map[string]fmt.Stringer{
		"unknown": discover.Behavior(99), "address-dependent": discover.AddressDependent, "yes": discover.Yes,
		"UDP blocked": discover.Blocked, "symmetric UDP firewall": discover.SymmetricFirewall, "port restricted cone": discover.PortRestrictedCone,
	} {
		if s.String() != want {
			t.Errorf("got %q, want %q", s, want)
		}
	}
}
