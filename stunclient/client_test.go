package stunclient_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pion "github.com/pion/stun/v3"
	"go.uber.org/goleak"

	"github.com/natproof/natproof/stunclient"
	"github.com/natproof/natproof/stunclient/attr"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	server = netip.MustParseAddrPort("192.0.2.10:3478")
	other  = netip.MustParseAddrPort("192.0.2.11:3479")
	mapped = netip.MustParseAddrPort("198.51.100.1:40000")
)

// wire is a Writer that keeps what is sent and when, and calls a hook.
type wire struct {
	mu    sync.Mutex
	start time.Time
	sent  [][]byte
	to    []net.Addr
	times []time.Duration
	err   error
	hook  func(n int, b []byte) // n is the number of the datagram, from 1
}

func newWire() *wire { return &wire{start: time.Now()} }

func (w *wire) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.2:5060"))
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	w.mu.Lock()
	if w.err != nil {
		defer w.mu.Unlock()
		return 0, w.err
	}
	w.sent = append(w.sent, bytes.Clone(b))
	w.to = append(w.to, to)
	w.times = append(w.times, time.Since(w.start))
	n, hook := len(w.sent), w.hook
	w.mu.Unlock()
	if hook != nil {
		hook(n, b)
	}
	return len(b), nil
}

func (w *wire) sends() ([][]byte, []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent), slices.Clone(w.times)
}

func seeded() *rand.ChaCha8 { return rand.NewChaCha8([32]byte{1}) }

// reply builds a response to a request.
func reply(request []byte, t pion.MessageType, setters ...pion.Setter) []byte {
	h, err := attr.ParseHeader(request)
	if err != nil {
		panic(err)
	}
	return pion.MustBuild(append([]pion.Setter{t, h.ID}, setters...)...).Raw
}

func success(request []byte, setters ...pion.Setter) []byte {
	return reply(request, pion.BindingSuccess, append([]pion.Setter{
		attr.Address{Type: pion.AttrMappedAddress, AddrPort: mapped}, attr.XORMapped{AddrPort: mapped},
	}, setters...)...)
}

func udp(a netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(a) }

func ms(n ...int) []time.Duration {
	d := make([]time.Duration, len(n))
	for i, n := range n {
		d[i] = time.Duration(n) * time.Millisecond
	}
	return d
}

func TestRetransmission(t *testing.T) {
	for _, tc := range []struct {
		name   string
		opts   stunclient.Options
		legacy bool
		want   []time.Duration
		fail   time.Duration
	}{
		{name: "RFC 8489 section 6.2.1", want: ms(0, 500, 1500, 3500, 7500, 15500, 31500), fail: 39500 * time.Millisecond},
		{name: "RFC 3489 section 9.3", legacy: true, want: ms(0, 100, 300, 700, 1500, 3100, 4700, 6300, 7900), fail: 9500 * time.Millisecond},
		{name: "RFC 3489 whatever the options", legacy: true, opts: stunclient.Options{RTO: time.Hour, Rc: 1},
			want: ms(0, 100, 300, 700, 1500, 3100, 4700, 6300, 7900), fail: 9500 * time.Millisecond},
		{name: "one request", opts: stunclient.Options{Rc: 1}, want: ms(0), fail: 8 * time.Second},
		{name: "RTO 100 ms, Rc 3, Rm 2", opts: stunclient.Options{RTO: 100 * time.Millisecond, Rc: 3, Rm: 2}, want: ms(0, 100, 300), fail: 500 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				c := stunclient.New(w, tc.opts)
				call := c.Binding
				if tc.legacy {
					call = c.Legacy
				}
				_, err := call(t.Context(), server)
				if !errors.Is(err, stunclient.ErrTimeout) {
					t.Errorf("error %v", err)
				}
				if got := time.Since(w.start); got != tc.fail {
					t.Errorf("failed after %v, want %v", got, tc.fail)
				}
				sent, times := w.sends()
				if !slices.Equal(times, tc.want) {
					t.Errorf("sent at %v, want %v", times, tc.want)
				}
				for _, b := range sent {
					if !bytes.Equal(b, sent[0]) {
						t.Errorf("a retransmission differs: %x and %x", sent[0], b)
					}
				}
				if pion.IsMessage(sent[0]) == tc.legacy {
					t.Errorf("magic cookie: %x", sent[0])
				}
				st := c.Stats()
				if st.Requests != 1 || st.Retransmissions != uint64(len(tc.want)-1) {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

func TestTimeoutMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := stunclient.New(newWire(), stunclient.Options{}).Binding(t.Context(), server)
		if want := "stunclient: binding 192.0.2.10:3478: no response to 7 requests in 39.5s"; err == nil || err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	})
}

func TestResponseEndsRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := stunclient.New(w, stunclient.Options{})
		w.hook = func(n int, b []byte) {
			if n == 3 { // sent at 1500 ms
				b := success(b, attr.Address{Type: pion.AttrOtherAddress, AddrPort: other},
					attr.Address{Type: pion.AttrResponseOrigin, AddrPort: server})
				time.AfterFunc(40*time.Millisecond, func() { c.Handle(b, udp(server)) })
			}
		}
		r, err := c.Binding(t.Context(), server)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sends != 3 || r.RTT != 1540*time.Millisecond {
			t.Errorf("after %d sends and %v", r.Sends, r.RTT)
		}
		if r.Mapped != mapped || r.XORMapped != mapped || r.Address() != mapped || r.OtherAddress != other || r.ResponseOrigin != server || r.From != server {
			t.Errorf("%+v", r)
		}
		time.Sleep(time.Minute)
		if sent, _ := w.sends(); len(sent) != 3 {
			t.Errorf("%d requests were sent", len(sent))
		}
	})
}

func TestResponses(t *testing.T) {
	refused := func(code pion.ErrorCode, reason string) pion.Setter {
		return pion.ErrorCodeAttribute{Code: code, Reason: []byte(reason)}
	}
	for _, tc := range []struct {
		name  string
		reply func(request []byte) []byte
		want  error
		says  string
		check func(t *testing.T, r stunclient.Response, err error)
	}{
		{name: "only XOR-MAPPED-ADDRESS", reply: func(b []byte) []byte {
			return reply(b, pion.BindingSuccess, attr.XORMapped{AddrPort: mapped})
		}, check: func(t *testing.T, r stunclient.Response, _ error) {
			if r.Address() != mapped || r.Mapped.IsValid() {
				t.Errorf("%+v", r)
			}
		}},
		{name: "only MAPPED-ADDRESS", reply: func(b []byte) []byte {
			return reply(b, pion.BindingSuccess, attr.Address{Type: pion.AttrMappedAddress, AddrPort: mapped})
		}, check: func(t *testing.T, r stunclient.Response, _ error) {
			if r.Address() != mapped || r.XORMapped.IsValid() {
				t.Errorf("%+v", r)
			}
		}},
		{name: "RFC 3489 addresses for everybody", reply: func(b []byte) []byte {
			return success(b, attr.Address{Type: pion.AttrSourceAddress, AddrPort: server}, attr.Address{Type: pion.AttrChangedAddress, AddrPort: other})
		}, check: func(t *testing.T, r stunclient.Response, _ error) {
			if r.OtherAddress != other || r.ResponseOrigin != server {
				t.Errorf("%+v", r)
			}
		}},
		{name: "OTHER-ADDRESS beats CHANGED-ADDRESS", reply: func(b []byte) []byte {
			return success(b, attr.Address{Type: pion.AttrChangedAddress, AddrPort: server}, attr.Address{Type: pion.AttrOtherAddress, AddrPort: other})
		}, check: func(t *testing.T, r stunclient.Response, _ error) {
			if r.OtherAddress != other {
				t.Errorf("%+v", r)
			}
		}},
		{name: "unknown optional attribute", reply: func(b []byte) []byte { return success(b, pion.RawAttribute{Type: 0x8888, Value: []byte{1}}) }},
		{name: "FINGERPRINT", reply: func(b []byte) []byte { return success(b, pion.Fingerprint) }},
		{name: "unknown required attribute", reply: func(b []byte) []byte { return success(b, pion.RawAttribute{Type: 0x7777}) },
			want: stunclient.ErrUnknownAttributes, says: "0x7777"},
		{name: "unknown required attribute in an error", reply: func(b []byte) []byte {
			return reply(b, pion.BindingError, refused(500, "Server Error"), pion.RawAttribute{Type: 0x7777})
		}, want: stunclient.ErrUnknownAttributes},
		{name: "no address", reply: func(b []byte) []byte { return reply(b, pion.BindingSuccess) }, want: stunclient.ErrBadResponse},
		{name: "bad XOR-MAPPED-ADDRESS", reply: func(b []byte) []byte {
			return reply(b, pion.BindingSuccess, pion.RawAttribute{Type: pion.AttrXORMappedAddress, Value: []byte{0, 1, 2}})
		}, want: stunclient.ErrBadResponse, says: "XOR-MAPPED-ADDRESS"},
		{name: "bad OTHER-ADDRESS", reply: func(b []byte) []byte {
			return success(b, pion.RawAttribute{Type: pion.AttrOtherAddress, Value: []byte{0, 9, 2, 2, 1, 1, 1, 1}})
		}, want: stunclient.ErrBadResponse, says: "OTHER-ADDRESS"},
		{name: "attributes cut off", reply: func(b []byte) []byte {
			raw := append(reply(b, pion.BindingSuccess), 0, 0x20, 0, 8)
			raw[3] = 4
			return raw
		}, want: stunclient.ErrBadResponse},
		{name: "no ERROR-CODE", reply: func(b []byte) []byte { return reply(b, pion.BindingError) }, want: stunclient.ErrBadResponse, says: "ERROR-CODE"},
		{name: "ERROR-CODE 200", reply: func(b []byte) []byte { return reply(b, pion.BindingError, refused(200, "OK")) }, want: stunclient.ErrBadResponse},
		{name: "ERROR-CODE of 2 bytes", reply: func(b []byte) []byte {
			return reply(b, pion.BindingError, pion.RawAttribute{Type: pion.AttrErrorCode, Value: []byte{0, 0}})
		}, want: stunclient.ErrBadResponse},
		{name: "400", reply: func(b []byte) []byte { return reply(b, pion.BindingError, refused(400, "Bad Request")) },
			want: &stunclient.ErrorResponse{Code: 400}, says: "error response 400 Bad Request"},
		{name: "500", reply: func(b []byte) []byte { return reply(b, pion.BindingError, refused(500, "Server Error")) },
			want: &stunclient.ErrorResponse{Code: 500}},
		{name: "control characters in the reason", reply: func(b []byte) []byte {
			return reply(b, pion.BindingError, refused(500, "Server\r\n\x1b[31m\u009bError\x00\xff  "))
		}, want: &stunclient.ErrorResponse{Code: 500}, says: "error response 500 Server[31mError\uFFFD"},
		{name: "420", reply: func(b []byte) []byte {
			return reply(b, pion.BindingError, refused(420, "Unknown Attribute"), pion.UnknownAttributes{pion.AttrChangeRequest, 0x7777})
		}, want: &stunclient.ErrorResponse{Code: 420}, says: "420 Unknown Attribute: CHANGE-REQUEST, 0x7777",
			check: func(t *testing.T, _ stunclient.Response, err error) {
				var e *stunclient.ErrorResponse
				if !errors.As(err, &e) || !slices.Equal(e.Unknown, []pion.AttrType{3, 0x7777}) || e.Response.From != server {
					t.Errorf("%+v", e)
				}
			}},
		{name: "300", reply: func(b []byte) []byte {
			return reply(b, pion.BindingError, refused(300, "Try Alternate"), attr.Address{Type: pion.AttrAlternateServer, AddrPort: other})
		}, want: &stunclient.ErrorResponse{Code: 300}, check: func(t *testing.T, _ stunclient.Response, err error) {
			var e *stunclient.ErrorResponse
			if !errors.As(err, &e) || e.Alternate != other {
				t.Errorf("%+v", e)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWire()
			c := stunclient.New(w, stunclient.Options{Rand: seeded()})
			w.hook = func(_ int, b []byte) {
				if !c.Handle(tc.reply(b), udp(server)) {
					t.Error("not taken for STUN")
				}
			}
			r, err := c.Binding(t.Context(), server)
			if !errors.Is(err, tc.want) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if tc.says != "" && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%q does not say %q", err, tc.says)
			}
			if tc.check != nil {
				tc.check(t, r, err)
			}
			if got := c.Stats(); got.Responses != 1 || got.Requests != 1 {
				t.Errorf("stats %+v", got)
			}
		})
	}
}

// What Handle is given and must not take for the response.
func TestNotTheResponse(t *testing.T) {
	for _, tc := range []struct {
		name  string
		wrong func(request []byte) []byte
		from  netip.AddrPort
		taken bool
		count func(stunclient.Stats) uint64
	}{
		{"unexpected source", func(b []byte) []byte { return success(b) }, other, true, func(s stunclient.Stats) uint64 { return s.UnexpectedSource }},
		{"another port of the server", func(b []byte) []byte { return success(b) }, netip.AddrPortFrom(server.Addr(), 9), true, func(s stunclient.Stats) uint64 { return s.UnexpectedSource }},
		{"other transaction", func(b []byte) []byte { b = success(b); b[19]++; return b }, server, true, func(s stunclient.Stats) uint64 { return s.Unmatched }},
		{"wrong FINGERPRINT", func(b []byte) []byte { b = success(b, pion.Fingerprint); b[len(b)-1]++; return b }, server, true, func(s stunclient.Stats) uint64 { return s.BadFingerprint }},
		{"own request", func(b []byte) []byte { return b }, server, true, func(s stunclient.Stats) uint64 { return s.Other }},
		{"indication", func(b []byte) []byte { return reply(b, pion.NewType(pion.MethodBinding, pion.ClassIndication)) }, server, true, func(s stunclient.Stats) uint64 { return s.Other }},
		{"response of another method", func(b []byte) []byte { return reply(b, pion.NewType(pion.MethodAllocate, pion.ClassSuccessResponse)) }, server, true, func(s stunclient.Stats) uint64 { return s.Other }},
		{"no magic cookie", func(b []byte) []byte { b = success(b); b[4]++; return b }, server, false, nil},
		{"wrong length", func(b []byte) []byte { return append(success(b), 0) }, server, false, nil},
		{"first byte 4", func(b []byte) []byte { b = success(b); b[0] = 4; return b }, server, false, nil},
		{"four zero bytes", func([]byte) []byte { return make([]byte, 4) }, server, false, nil},
		{"SIP", func([]byte) []byte { return []byte("OPTIONS sip:a@example.com SIP/2.0\r\n\r\n") }, server, false, nil},
		{"CRLF", func([]byte) []byte { return []byte("\r\n\r\n") }, server, false, nil},
		{"nothing", func([]byte) []byte { return nil }, server, false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWire()
			var seen [][]byte
			c := stunclient.New(w, stunclient.Options{Rand: seeded(), Other: func(b []byte, from netip.AddrPort) { seen = append(seen, b) }})
			w.hook = func(_ int, b []byte) {
				if got := c.Handle(tc.wrong(b), udp(tc.from)); got != tc.taken {
					t.Errorf("taken: %v", got)
				}
				c.Handle(success(b), udp(server))
			}
			r, err := c.Binding(t.Context(), server)
			if err != nil || r.Address() != mapped {
				t.Fatalf("%+v, %v", r, err)
			}
			st := c.Stats()
			if tc.count != nil && tc.count(st) != 1 {
				t.Errorf("stats %+v", st)
			}
			if want := st.Unmatched + st.Other; uint64(len(seen)) != want {
				t.Errorf("Other was called %d times, want %d", len(seen), want)
			}
		})
	}
}

// RFC 5780 section 7.2: the response to CHANGE-REQUEST comes from elsewhere.
func TestChangeRequestIsAnsweredFromElsewhere(t *testing.T) {
	for _, tc := range []struct {
		change attr.ChangeRequest
		taken  bool
	}{
		{attr.ChangeRequest{}, false},
		{attr.ChangeRequest{IP: true}, true},
		{attr.ChangeRequest{Port: true}, true},
		{attr.ChangeRequest{IP: true, Port: true}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			c := stunclient.New(w, stunclient.Options{})
			w.hook = func(_ int, b []byte) { c.Handle(success(b), udp(other)) }
			r, err := c.Binding(t.Context(), server, tc.change)
			if tc.taken && (err != nil || r.From != other) || !tc.taken && !errors.Is(err, stunclient.ErrTimeout) {
				t.Errorf("%+v: %+v, %v", tc.change, r, err)
			}
		})
	}
}

func TestRFC5769Responses(t *testing.T) {
	for name, want := range map[string]string{
		"response-ipv4": "192.0.2.1:32853",
		"response-ipv6": "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
	} {
		t.Run(name, func(t *testing.T) {
			b := vector(t, name)
			w := newWire()
			c := stunclient.New(w, stunclient.Options{Rand: bytes.NewReader(b[8:20])})
			w.hook = func(int, []byte) { c.Handle(b, udp(server)) }
			r, err := c.Binding(t.Context(), server)
			if err != nil || r.XORMapped.String() != want || r.Mapped.IsValid() {
				t.Fatalf("%+v, %v", r, err)
			}
			if err := pion.NewShortTermIntegrity("VOkJxbRl1RmTxUk/WvJxBt").Check(r.Message); err != nil {
				t.Errorf("the message was changed: %v", err)
			}
		})
	}
}

func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("attr", "testdata", "rfc5769", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		code, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLegacyResponse(t *testing.T) {
	w := newWire()
	c := stunclient.New(w, stunclient.Options{Rand: seeded(), Fingerprint: true})
	w.hook = func(_ int, b []byte) {
		h, m, err := attr.Decode(b)
		if err != nil || !h.ID.Legacy() || m.Contains(pion.AttrFingerprint) {
			t.Errorf("request %v, %v", m, err)
		}
		if !c.Handle(reply(b, pion.BindingSuccess,
			attr.Address{Type: pion.AttrMappedAddress, AddrPort: mapped},
			attr.Address{Type: pion.AttrSourceAddress, AddrPort: other},
			attr.Address{Type: pion.AttrChangedAddress, AddrPort: other},
			attr.Address{Type: attr.ReflectedFromType, AddrPort: server}), udp(other)) {
			t.Error("not taken")
		}
	}
	r, err := c.Legacy(t.Context(), server, attr.ChangeRequest{IP: true, Port: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Address() != mapped || r.OtherAddress != other || r.ResponseOrigin != other || r.From != other || r.ReflectedFrom != server {
		t.Errorf("%+v", r)
	}
}

func TestLegacyIDIsNeverTheCookie(t *testing.T) {
	w := newWire()
	id := binary.BigEndian.AppendUint32(nil, attr.Cookie)
	c := stunclient.New(w, stunclient.Options{Rand: bytes.NewReader(append(id, make([]byte, 12)...))})
	w.hook = func(_ int, b []byte) {
		if pion.IsMessage(b) {
			t.Errorf("%x", b)
		}
		c.Handle(reply(b, pion.BindingSuccess, attr.Address{Type: pion.AttrMappedAddress, AddrPort: mapped}), udp(server))
	}
	if _, err := c.Legacy(t.Context(), server); err != nil {
		t.Error(err)
	}
}

func TestRequestHasWhatWasAsked(t *testing.T) {
	w := newWire()
	c := stunclient.New(w, stunclient.Options{Rand: bytes.NewReader([]byte("twelve bytes")), Fingerprint: true})
	w.hook = func(_ int, b []byte) { c.Handle(success(b), udp(server)) }
	if _, err := c.Binding(t.Context(), server, attr.ResponsePort(5000), pion.NewSoftware("x")); err != nil {
		t.Fatal(err)
	}
	_, m, err := attr.Decode(w.sent[0])
	if err != nil {
		t.Fatal(err)
	}
	var port attr.ResponsePort
	if port.GetFrom(m) != nil || port != 5000 || !m.Contains(pion.AttrSoftware) || m.Attributes[len(m.Attributes)-1].Type != pion.AttrFingerprint {
		t.Errorf("%v", m)
	}
	if string(m.TransactionID[:]) != "twelve bytes" || m.Type != pion.BindingRequest || attr.CheckFingerprint(m) != nil {
		t.Errorf("%v", m)
	}
	if w.to[0].String() != server.String() {
		t.Errorf("sent to %v", w.to[0])
	}
}

func TestIndication(t *testing.T) {
	w := newWire()
	c := stunclient.New(w, stunclient.Options{Rand: seeded()})
	if err := c.Indication(server); err != nil {
		t.Fatal(err)
	}
	h, _, err := attr.Decode(w.sent[0])
	if err != nil || h.Type != pion.NewType(pion.MethodBinding, pion.ClassIndication) || c.Stats().Indications != 1 {
		t.Errorf("%+v, %v", h, err)
	}
	c.Close()
	if err := c.Indication(server); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		c := stunclient.New(w, stunclient.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := c.Binding(ctx, server)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(w.start) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(w.start))
		}
		sent, _ := w.sends()
		if len(sent) != 3 {
			t.Errorf("%d requests", len(sent))
		}
		// The response that comes too late belongs to nobody.
		if !c.Handle(success(sent[0]), udp(server)) || c.Stats().Unmatched != 1 {
			t.Errorf("%+v", c.Stats())
		}

		why := errors.New("call ended")
		ctx2, cancel2 := context.WithCancelCause(t.Context())
		cancel2(why)
		if _, err := c.Binding(ctx2, server); !errors.Is(err, why) {
			t.Errorf("ended before it began: %v", err)
		}
		if sent, _ := w.sends(); len(sent) != 3 {
			t.Errorf("%d requests", len(sent))
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := stunclient.New(newWire(), stunclient.Options{})
		failed := make(chan error)
		go func() {
			_, err := c.Binding(t.Context(), server)
			failed <- err
		}()
		synctest.Wait()
		c.Close()
		c.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("waiting: %v", err)
		}
		if _, err := c.Binding(t.Context(), server); !errors.Is(err, net.ErrClosed) {
			t.Errorf("later: %v", err)
		}
	})
}

func TestCallerErrors(t *testing.T) {
	broken := errors.New("network is unreachable")
	for _, tc := range []struct {
		name   string
		opts   stunclient.Options
		server netip.AddrPort
		set    pion.Setter
		err    error
		says   string
	}{
		{name: "negative RTO", opts: stunclient.Options{RTO: -1}, server: server, says: "RTO"},
		{name: "negative Rc", opts: stunclient.Options{Rc: -1}, server: server, says: "Rc"},
		{name: "large Rc", opts: stunclient.Options{Rc: 33}, server: server, says: "Rc"},
		{name: "negative Rm", opts: stunclient.Options{Rm: -1}, server: server, says: "Rm"},
		{name: "no server", says: "not an address"},
		{name: "port 0", server: netip.AddrPortFrom(server.Addr(), 0), says: "not an address"},
		{name: "no randomness", opts: stunclient.Options{Rand: bytes.NewReader(nil)}, server: server, says: "EOF"},
		{name: "bad setter", server: server, set: attr.Padding(-1), says: "padding"},
		{name: "socket refuses", server: server, err: broken, says: "unreachable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWire()
			w.err = tc.err
			c := stunclient.New(w, tc.opts)
			var set []pion.Setter
			if tc.set != nil {
				set = append(set, tc.set)
			}
			for name, call := range map[string]func(context.Context, netip.AddrPort, ...pion.Setter) (stunclient.Response, error){"Binding": c.Binding, "Legacy": c.Legacy} {
				_, err := call(t.Context(), tc.server, set...)
				if err == nil || !strings.Contains(err.Error(), tc.says) || tc.err != nil && !errors.Is(err, tc.err) {
					t.Errorf("%s: %v", name, err)
				}
			}
			if len(w.sent) > 0 {
				t.Error("something was sent")
			}
		})
	}
}

func TestRepeatedID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := stunclient.New(newWire(), stunclient.Options{Rand: bytes.NewReader(make([]byte, 24))})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.Binding(ctx, server)
			done <- err
		}()
		synctest.Wait()
		if _, err := c.Binding(t.Context(), server); err == nil || !strings.Contains(err.Error(), "repeats itself") {
			t.Errorf("got %v", err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

// Transactions at once, answered in reverse order, each with its own address.
func TestConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 200
		w := newWire()
		c := stunclient.New(w, stunclient.Options{Rand: seeded()})
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				want := netip.AddrPortFrom(server.Addr(), uint16(1000+i))
				r, err := c.Binding(t.Context(), want)
				if err == nil && (r.From != want || r.Address().Port() != want.Port()) {
					err = fmt.Errorf("asked %v, answered by %v: %v", want, r.From, r.Address())
				}
				errs[i] = err
			})
		}
		synctest.Wait()
		for i := n - 1; i >= 0; i-- {
			to, _ := attr.FromNet(w.to[i])
			c.Handle(reply(w.sent[i], pion.BindingSuccess, attr.XORMapped{AddrPort: netip.AddrPortFrom(mapped.Addr(), to.Port())}), w.to[i])
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if time.Since(w.start) != 0 {
			t.Errorf("took %v", time.Since(w.start))
		}
	})
}

func FuzzClientHandle(f *testing.F) {
	request := pion.MustBuild(pion.BindingRequest, attr.NewID([12]byte([]byte("twelve bytes")))).Raw
	f.Add(success(request), false)
	f.Add(success(request, pion.Fingerprint), false)
	f.Add(reply(request, pion.BindingError, pion.CodeUnknownAttribute, pion.UnknownAttributes{3}), false)
	f.Add(request, false)
	f.Add([]byte("\x00\x00\x00\x00"), true)
	f.Add([]byte{}, true)
	// Only attributes: they become the body of a response to a request that waits.
	f.Add([]byte{0, 0x20, 0, 8, 0, 1, 0, 0, 1, 2, 3, 4}, true)
	f.Fuzz(func(t *testing.T, b []byte, body bool) {
		if body {
			b = b[:len(b)&^3]
			if len(b) > 1400 {
				b = b[:1400]
			}
			raw := reply(request, pion.BindingSuccess)
			binary.BigEndian.PutUint16(raw[2:], uint16(len(b)))
			b = append(raw, b...)
		}
		w := newWire()
		c := stunclient.New(w, stunclient.Options{Rand: bytes.NewReader([]byte("twelve bytes"))})
		before := bytes.Clone(b)
		w.hook = func(_ int, sent []byte) {
			c.Handle(b, udp(server))
			c.Handle(success(sent), udp(server))
		}
		r, err := c.Binding(t.Context(), server)
		if !bytes.Equal(b, before) {
			t.Fatal("input changed")
		}
		var refused *stunclient.ErrorResponse
		switch {
		case err == nil && r.Address().IsValid():
		case errors.Is(err, stunclient.ErrBadResponse), errors.Is(err, stunclient.ErrUnknownAttributes), errors.As(err, &refused):
		default:
			t.Fatalf("%+v, %v", r, err)
		}
	})
}
