package ua

import (
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/internal/torture"
)

// expected is what each test message of RFC 4475 gets from a phone that answers calls;
// empty for what is dropped and counted.
var expected = map[string]string{
	"3.1.1.1-wsinv":       "481 Call/Transaction Does Not Exist", // of a dialog that is not ours
	"3.1.1.2-intmeth":     "405 Method Not Allowed",
	"3.1.1.3-esc01":       "200 OK",
	"3.1.1.4-escnull":     "405 Method Not Allowed",
	"3.1.1.5-esc02":       "405 Method Not Allowed",
	"3.1.1.6-lwsdisp":     "200 OK",
	"3.1.1.7-longreq":     "200 OK",
	"3.1.1.8-dblreq":      "405 Method Not Allowed", // the second request in the datagram does not count
	"3.1.1.9-semiuri":     "200 OK",
	"3.1.1.10-transports": "200 OK",
	"3.1.1.11-mpart01":    "200 OK",
	"3.1.1.12-unreason":   "", // a response to nothing
	"3.1.1.13-noreason":   "", // a response to nothing
	"3.1.2.1-badinv01":    "400 Bad Via",
	"3.1.2.2-clerr":       "400 Content-Length Beyond Datagram",
	"3.1.2.3-ncl":         "400 Not Understood",
	"3.1.2.4-scalar02":    "400 Bad CSeq",
	"3.1.2.5-scalarlg":    "", // a malformed response
	"3.1.2.6-quotbal":     "400 Bad To",
	"3.1.2.7-ltgtruri":    "400 Bad Request-URI",
	"3.1.2.8-lwsruri":     "400 Bad Request-Line",
	"3.1.2.9-lwsstart":    "400 Bad Request-Line",
	"3.1.2.10-trws":       "400 Bad Request-Line",
	"3.1.2.11-escruri":    "400 Bad Request-URI",
	"3.1.2.12-baddate":    "200 OK",
	"3.1.2.13-regbadct":   "405 Method Not Allowed",
	"3.1.2.14-badaspec":   "400 Bad To",
	"3.1.2.15-baddn":      "200 OK", // tolerated, as the section allows
	"3.1.2.16-badvers":    "505 Version Not Supported",
	"3.1.2.17-mismatch01": "400 CSeq Names Another Method",
	"3.1.2.18-mismatch02": "400 CSeq Names Another Method",
	"3.1.2.19-bigcode":    "", // a malformed response
	"3.2.1-badbranch":     "200 OK",
	"3.3.1-insuf":         "400 Missing From",
	"3.3.2-unkscm":        "416 Unsupported URI Scheme",
	"3.3.3-novelsc":       "416 Unsupported URI Scheme",
	"3.3.4-unksm2":        "405 Method Not Allowed",
	"3.3.5-bext01":        "420 Bad Extension",
	"3.3.6-invut":         "415 Unsupported Media Type",
	"3.3.7-regaut01":      "405 Method Not Allowed",
	"3.3.8-multi01":       "400 Repeated CSeq",
	"3.3.9-mcl01":         "400 Repeated Content-Length",
	"3.3.10-bcast":        "",       // a response to nothing
	"3.3.11-zeromf":       "200 OK", // the last hop
	"3.3.12-cparam01":     "405 Method Not Allowed",
	"3.3.13-cparam02":     "405 Method Not Allowed",
	"3.3.14-regescrt":     "405 Method Not Allowed",
	"3.3.15-sdp01":        "406 Not Acceptable",
	"3.4.1-inv2543":       "400 Missing Contact", // RFC 3261 section 8.1.1.8
}

func TestTorture(t *testing.T) {
	if n := len(torture.Messages()); n != len(expected) {
		t.Errorf("%d messages for %d rows", n, len(expected))
	}
	for _, m := range torture.Messages() {
		t.Run(m.Name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *memnet) {
				a := newAgent(t, n, "10.0.0.1:5060")
				a.onIncoming = answerNow
				from := n.mustListen("203.0.113.30:5060")
				_, _ = from.WriteTo(m.Data, netUDP("10.0.0.1:5060"))
				time.Sleep(time.Second)
				got := ""
				for _, d := range n.packets(func(d datagram) bool { return d.src == a.Addr() && sipText("SIP/2.0 ")(d) }) {
					if line, _, _ := strings.Cut(string(d.data), "\r\n"); got == "" && !strings.Contains(line, " 100 ") {
						got = strings.TrimPrefix(line, "SIP/2.0 ")
						if d.dst.Addr() != from.at.Addr() {
							t.Errorf("answered to %v", d.dst)
						}
					}
				}
				equal(t, "answer", got, expected[m.Name])
				equal(t, "outcomes", outcomes(a.Stats()), a.Stats().Datagrams)
			})
		})
	}
}
