package vnet_test

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/natmodels/sipalg"
	"github.com/natproof/natproof/natmodels/stateless"
	"github.com/natproof/natproof/vnet"
)

const offer = "v=0\r\no=a 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:4001 IN IP4 10.0.0.2\r\n"

func invite(body string) []byte {
	return []byte("INVITE sip:b@203.0.113.10 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1\r\n" +
		"From: <sip:a@10.0.0.2>;tag=1\r\nTo: <sip:b@203.0.113.10>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:a@10.0.0.2>\r\n" +
		fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n", len(body)) + body)
}

// throughALG sends an INVITE from port 5060 through a symmetric NAT, to the given port of
// the server, and returns what the server reads.
func throughALG(lab *vnet.Lab, alg *sipalg.ALG, port uint16) (w *world, message string, phone *vnet.Conn, err error) {
	if w, err = build(lab, "symmetric"); err != nil {
		return nil, "", nil, err
	}
	if err = w.gw.SetALG(alg); err != nil {
		return nil, "", nil, err
	}
	server, err := w.server.Listen(netip.AddrPortFrom(addr("203.0.113.10"), port))
	if err != nil {
		return nil, "", nil, err
	}
	if phone, err = w.phone.Listen(ap("10.0.0.2:5060")); err != nil {
		return nil, "", nil, err
	}
	if _, err = phone.WriteTo(invite(offer), server.LocalAddr()); err != nil {
		return nil, "", nil, err
	}
	message, _, err = recv(server)
	return w, message, phone, err
}

func lineOf(message, start string) string {
	for l := range strings.SplitSeq(message, "\r\n") {
		if strings.HasPrefix(l, start) {
			return l
		}
	}
	return ""
}

// What the ALG announces is open: media that comes from anybody reaches the phone.
func TestALGOpensWhatItAnnounces(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		full, _ := sipalg.Named("full")
		w, got, _, err := throughALG(lab, &full, 5060)
		if err != nil {
			return err
		}
		if strings.Contains(lineOf(got, "Contact")+lineOf(got, "Via")+lineOf(got, "c=")+lineOf(got, "a=rtcp"), "10.0.0.2") {
			return fmt.Errorf("something is private still:\n%s", got)
		}
		rtp, err := w.phone.Listen(ap("10.0.0.2:4000"))
		if err != nil {
			return err
		}
		var port int
		if _, err := fmt.Sscanf(lineOf(got, "m="), "m=audio %d", &port); err != nil {
			return err
		}
		stranger, err := w.server.Listen(ap("203.0.113.11:9000"))
		if err != nil {
			return err
		}
		to := &net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: port}
		if _, err := stranger.WriteTo([]byte("media"), to); err != nil {
			return err
		}
		if what, _, err := recv(rtp); err != nil || what != "media" {
			return fmt.Errorf("the phone got %q, %v", what, err)
		}
		if _, err := rtp.WriteTo([]byte("back"), stranger.LocalAddr()); err != nil {
			return err
		}
		if _, from, err := recv(stranger); err != nil || from != to.String() {
			return fmt.Errorf("media comes from %s, %v; announced was %v", from, err, to)
		}
		return nil
	})
}

// The trace says what was rewritten, and what was opened.
func TestALGIsInTheTrace(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		full, _ := sipalg.Named("full")
		if _, _, _, err := throughALG(lab, &full, 5060); err != nil {
			return err
		}
		for _, e := range lab.Trace() {
			if e.Kind != vnet.Rewritten {
				continue
			}
			const want = "the SIP ALG rewrote Via, Contact, Content-Length, o=, c=, m=, a=rtcp; it opened "
			if e.Box != "nat" || !strings.HasPrefix(e.Detail, want) || !strings.Contains(e.Detail, "for 10.0.0.2:4001") {
				return fmt.Errorf("%v", e)
			}
			return nil
		}
		return fmt.Errorf("nothing was rewritten: %v", lab.Trace())
	})
}

func TestALGOffAndElsewhere(t *testing.T) {
	full, _ := sipalg.Named("full")
	anyPort, _ := sipalg.Named("any-port")
	linux, _ := sipalg.Named("linux")
	for name, x := range map[string]struct {
		alg         *sipalg.ALG
		port        uint16
		contact     string // "private" or "public"
		rtcpPrivate bool
	}{
		"off":                            {nil, 5060, "private", true},
		"on, between other ports":        {&full, 5062, "public", false}, // the phone's is 5060
		"any port":                       {&anyPort, 9999, "public", false},
		"linux leaves a=rtcp (RFC 3605)": {&linux, 5060, "public", true},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
				_, got, _, err := throughALG(lab, x.alg, x.port)
				if err != nil {
					return err
				}
				if private := strings.Contains(lineOf(got, "Contact"), "10.0.0.2"); private != (x.contact == "private") {
					return fmt.Errorf("%s", lineOf(got, "Contact"))
				}
				if private := strings.Contains(lineOf(got, "a=rtcp"), "10.0.0.2"); private != x.rtcpPrivate {
					return fmt.Errorf("%s", lineOf(got, "a=rtcp"))
				}
				return nil
			})
		})
	}
}

// One inside phone calls another by the external address: the message is rewritten on the
// way out and on the way in again.
func TestALGHairpin(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		w, err := build(lab, "full-cone")
		if err != nil {
			return err
		}
		full, _ := sipalg.Named("full")
		if err := w.gw.SetALG(&full); err != nil {
			return err
		}
		other, err := w.home.AddHost("other", addr("10.0.0.3"))
		if err != nil {
			return err
		}
		a, _ := w.phone.Listen(ap("10.0.0.2:5060"))
		b, _ := other.Listen(ap("10.0.0.3:5061"))
		if _, err := b.WriteTo([]byte("open"), udp("203.0.113.10:9")); err != nil {
			return err
		}
		bubble.Wait()
		time.Sleep(time.Second)
		request := strings.Replace(string(invite(offer)), "sip:b@203.0.113.10 SIP", "sip:b@198.51.100.1:5061 SIP", 1)
		if _, err := a.WriteTo([]byte(request), udp("198.51.100.1:5061")); err != nil {
			return err
		}
		got, _, err := recv(b)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(got, "INVITE sip:b@10.0.0.3:5061 SIP") || lineOf(got, "Contact") != "Contact: <sip:a@198.51.100.1>" {
			return fmt.Errorf("got\n%s", got)
		}
		return nil
	})
}

func TestALGNeedsANAT(t *testing.T) {
	inLab(t, vnet.Config{}, func(lab *vnet.Lab) error {
		full, _ := sipalg.Named("full")
		_, err := lab.Internet().AddGateway("router", vnet.GatewayConfig{NAT: stateless.Router{}, ALG: &full})
		if err == nil || !strings.Contains(err.Error(), "translates none") {
			return fmt.Errorf("got %v", err)
		}
		router, err := lab.Internet().AddGateway("router", vnet.GatewayConfig{NAT: stateless.Router{}})
		if err != nil {
			return err
		}
		if err := router.SetALG(&full); err == nil {
			return fmt.Errorf("a router took an ALG")
		}
		return nil
	})
}
