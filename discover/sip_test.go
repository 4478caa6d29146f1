package discover_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/sipprobe"
	"github.com/natproof/natproof/vnet"
)

var sipServer = ap("203.0.113.10:5060")

// searchSIP looks for an ALG behind a NAT that has that one, or none.
func searchSIP(t *testing.T, nat natmodels.Model, alg *sipalg.ALG, link vnet.LinkConfig, other bool) discover.SIPReport {
	t.Helper()
	var report discover.SIPReport
	leak := bubble.Run(func() {
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		lab, err := vnet.New(vnet.Config{Seed: 1, DiscardTrace: true})
		must(err)
		defer lab.Close()
		dc, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		must(err)
		server, err := dc.AddHost("server", sipServer.Addr())
		must(err)
		place := natmodels.Place{Seed: 7}
		if nat.Behavior().Translates() {
			place.External = []netip.Addr{external}
		}
		gw, err := lab.Internet().AddGateway("nat", vnet.GatewayConfig{NAT: nat, Place: place, Link: link})
		must(err)
		if alg != nil {
			must(gw.SetALG(alg))
		}
		home, err := gw.Inside().AddSite("home", vnet.SiteConfig{Prefix: netip.MustParsePrefix("10.0.0.0/24")})
		must(err)
		host, err := home.AddHost("host", inside)
		must(err)

		cfg := sipprobe.Config{}
		if other {
			cfg.Other = ap("203.0.113.10:7060")
		}
		probe := sipprobe.New(cfg)
		served := make(chan error, 2)
		conn, err := server.ListenPacket("udp4", sipServer.String())
		must(err)
		srv, err := registrar.New(probe.Beside(conn, netip.AddrPort{}), registrar.Config{})
		must(err)
		go func() { served <- srv.Serve() }()
		alone, err := server.ListenPacket("udp4", "203.0.113.10:7060")
		must(err)
		go func() { served <- probe.Serve(alone) }()

		report, err = discover.SIP(context.Background(), discover.SIPConfig{
			Server: sipServer, Local: inside, ID: "abcdefgh",
			Listen: func(a netip.AddrPort) (net.PacketConn, error) { return host.ListenPacket("udp4", a.String()) },
		})
		must(err)
		must(srv.Close())
		must(probe.Close())
		must(<-served)
		must(<-served)
		if st := srv.Stats(); st.Datagrams != 0 {
			t.Errorf("the registrar was given questions: %+v", st)
		}
		if st := probe.Stats(); st.TooLong+st.Other+st.NoSource+st.WriteErrors != 0 {
			t.Errorf("%+v", st)
		}
	})
	if leak != nil {
		t.Fatal(leak)
	}
	return report
}

// Each variant is found by its name, behind NATs of all kinds; without an ALG there is none.
func TestSIPFindsEachALG(t *testing.T) {
	for _, name := range []string{"full-cone", "address-restricted", "port-restricted", "symmetric", "eim-apdf", "adm-adf", "apdm-eif"} {
		preserves := preset(t, name).Behavior().PreservesPort(40000)
		for _, variant := range append(sipalg.Names(), "") {
			t.Run(name+" "+variant, func(t *testing.T) {
				var alg *sipalg.ALG
				want := discover.No
				if variant != "" {
					a, err := sipalg.Named(variant)
					if err != nil {
						t.Fatal(err)
					}
					alg, want = &a, discover.Yes
				}
				kind := variant
				if variant == "double" && preserves { // what is rewritten a second time is the same again
					kind = "full"
				}
				r := searchSIP(t, preset(t, name), alg, vnet.LinkConfig{}, true)
				if r.ALG != want || r.Kind != kind || r.Reachable != discover.Yes || r.NAT != discover.Yes || r.Mapped.Addr() != external {
					t.Errorf("%v %q %v\n%+v", r.ALG, r.Kind, r.Notes, r)
				}
			})
		}
	}
}

// Without an ALG, and with one, every byte is accounted for.
func TestSIPTellsWhatWasChanged(t *testing.T) {
	names := func(changes []discover.SIPChange) string {
		var list []string
		for _, c := range changes {
			list = append(list, c.Line)
		}
		return strings.Join(list, " ")
	}
	r := searchSIP(t, preset(t, "symmetric"), nil, vnet.LinkConfig{}, true)
	if len(r.Probes) != 5 || r.Other != ap("203.0.113.10:7060") || len(r.Notes) != 0 {
		t.Errorf("%+v", r)
	}
	for _, p := range r.Probes {
		if p.Sent != p.Arrived || len(p.Out)+len(p.Back) != 0 || p.WrongLength || p.Failure != "" {
			t.Errorf("%+v", p)
		}
	}
	alg, _ := sipalg.Named("full")
	r = searchSIP(t, preset(t, "symmetric"), &alg, vnet.LinkConfig{}, true)
	if p := r.Probes[2]; p.Method != "INVITE" || p.Status != 488 ||
		names(p.Out) != "Via Contact Content-Length o= c= m= a=rtcp" || names(p.Back) != "Via" ||
		p.Out[0].Arrived != "Via: SIP/2.0/UDP "+r.Mapped.String()+";branch=z9hG4bKabcdefgh3;rport" {
		t.Errorf("out %s, back %s: %+v", names(p.Out), names(p.Back), p)
	}
	if p := r.Probes[4]; p.To != r.Other || len(p.Out)+len(p.Back) != 0 {
		t.Errorf("%+v", p)
	}
	linux, _ := sipalg.Named("linux")
	r = searchSIP(t, preset(t, "symmetric"), &linux, vnet.LinkConfig{}, false)
	if p := r.Probes[2]; strings.Contains(names(p.Out), "a=rtcp") || !strings.Contains(names(p.Out), "c=") || len(r.Probes) != 4 {
		t.Errorf("out %s: %+v", names(p.Out), r)
	}
	full := discover.SIPReport{}
	if full = searchSIP(t, preset(t, "symmetric"), &alg, vnet.LinkConfig{}, false); full.Kind != "full" || len(full.Notes) != 1 ||
		!strings.Contains(full.Notes[0], "other ports than 5060 is not known") {
		t.Errorf("%q %v", full.Kind, full.Notes)
	}
}

// Loss is no ALG.
func TestSIPOverALossyLink(t *testing.T) {
	r := searchSIP(t, preset(t, "symmetric"), nil, vnet.LinkConfig{Loss: 0.3, Latency: 20 * time.Millisecond}, true)
	if r.ALG != discover.No || r.Kind != "" {
		t.Errorf("%v %q %v", r.ALG, r.Kind, r.Notes)
	}
}

// The helper of the kernel beside its own NAT.
func TestSIPFindsTheHelperOfLinux(t *testing.T) {
	linux, _ := sipalg.Named("linux")
	nat, err := catalogue.Lookup("linux-sip-helper")
	if err != nil {
		t.Fatal(err)
	}
	if r := searchSIP(t, nat, &linux, vnet.LinkConfig{}, true); r.ALG != discover.Yes || r.Kind != "linux" {
		t.Errorf("%v %q %v", r.ALG, r.Kind, r.Notes)
	}
}

// Nobody there, a server that is not ours, and what makes no sense.
func TestSIPWithoutAServer(t *testing.T) {
	listen := func(a netip.AddrPort) (net.PacketConn, error) {
		return net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
	}
	loopback := addr("127.0.0.1")
	dumb, err := listen(ap("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	srv, err := registrar.New(dumb, registrar.Config{})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	r, err := discover.SIP(t.Context(), discover.SIPConfig{Server: srv.Addr(), Local: loopback, Listen: listen, Wait: 5 * time.Second})
	if err != nil || r.Reachable != discover.Yes || r.ALG != discover.NotKnown || len(r.Notes) != 3 || !strings.Contains(r.Notes[0], "not as 'natproof serve' does") {
		t.Errorf("%v %+v", err, r)
	}
	if err := errors.Join(srv.Close(), <-served); err != nil {
		t.Error(err)
	}
	r, err = discover.SIP(t.Context(), discover.SIPConfig{Server: srv.Addr(), Local: loopback, Listen: listen, Wait: 10 * time.Millisecond})
	if err != nil || r.Reachable != discover.No || r.ALG != discover.NotKnown || r.Mapped.IsValid() {
		t.Errorf("%v %+v", err, r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := discover.SIP(ctx, discover.SIPConfig{Server: srv.Addr(), Local: loopback, Listen: listen}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for _, cfg := range []discover.SIPConfig{
		{}, {Server: srv.Addr(), Local: loopback}, {Server: srv.Addr(), Listen: listen}, {Server: srv.Addr(), Local: addr("::1"), Listen: listen},
		{Local: loopback, Listen: listen}, {Server: srv.Addr(), Local: loopback, Listen: listen, Wait: -1},
		{Server: srv.Addr(), Local: loopback, Listen: listen, ID: "a b"},
	} {
		if _, err := discover.SIP(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "discover: config: ") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := discover.SIP(t.Context(), discover.SIPConfig{Server: srv.Addr(), Local: addr("192.0.2.1"), Listen: listen}); !errors.Is(err, discover.ErrBind) {
		t.Error(err)
	}
}
