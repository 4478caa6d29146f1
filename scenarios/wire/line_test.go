package wire

import (
	"bytes"
	"testing"
)

func TestReadLine(t *testing.T) {
	for _, x := range []struct {
		name, text string
		want       line
		ok         bool
	}{
		{"a request", "INVITE sip:b@h SIP/2.0\r\nFrom: <sip:a@h>;tag=1\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\r\n",
			line{method: "INVITE", seq: 1, callID: "c1", fromTag: "1"}, true},
		{"a response is named by its CSeq (RFC 3261 §8.1.1.5)", "SIP/2.0 200 OK\r\nFrom: <sip:a@h>;tag=1\r\nCall-ID: c1\r\nCSeq: 7 REGISTER\r\n\r\n",
			line{method: "REGISTER", status: 200, reason: "OK", seq: 7, callID: "c1", fromTag: "1"}, true},
		{"a reason of several words, or of none", "SIP/2.0 480 Temporarily Unavailable\r\nCSeq: 7  BYE\r\n\r\n", line{method: "BYE", status: 480, reason: "Temporarily Unavailable", seq: 7}, true},
		{"compact forms, in any case (§7.3.3)", "BYE sip:b@h SIP/2.0\r\nF: \"A\" <sip:a@h>;x=y;tag=2;z\r\nI:c2\r\n\r\n",
			line{method: "BYE", callID: "c2", fromTag: "2"}, true},
		{"blanks where the grammar has them (§7.3.1, §25.1)", "BYE sip:b@h SIP/2.0\r\nFrom  : <sip:a@h> ; Tag = 2\r\nCall-ID :  c2 \r\n\r\n",
			line{method: "BYE", callID: "c2", fromTag: "2"}, true},
		{"a display name and a URI that look like tags", "BYE sip:b@h SIP/2.0\r\nFrom: \"x;tag=no\" <sip:a@h;tag=neither>;tag=2\r\n\r\n",
			line{method: "BYE", fromTag: "2"}, true},
		{"no tag, as of RFC 2543", "BYE sip:b@h SIP/2.0\r\nFrom: sip:a@h\r\n\r\n", line{method: "BYE"}, true},
		{"what stands in the body is no header", "BYE sip:b@h SIP/2.0\r\n\r\nCall-ID: c3\r\n", line{method: "BYE"}, true},
		{"cut short", "BYE sip:b@h SIP/2.0\r\nCall-I", line{method: "BYE"}, true},
		{"a report on a call (RFC 3515 §2.4.5)", "NOTIFY sip:b@h SIP/2.0\r\nCall-ID: c1\r\n\r\nSIP/2.0 180 Ringing\r\n", line{method: "NOTIFY", callID: "c1", reported: 180}, true},
		{"news of something else", "NOTIFY sip:b@h SIP/2.0\r\n\r\n<presence/>\r\n", line{method: "NOTIFY"}, true},
		{"a keepalive", "\r\n\r\n", line{}, false},
		{"STUN", "\x00\x01\x00\x00\x21\x12\xa4\x42", line{}, false},
		{"RTP", "\x80\x00\x00\x01", line{}, false},
		{"nothing", "", line{}, false},
		{"words", "HELLO\r\n\r\n", line{}, false},
	} {
		got, ok := readLine([]byte(x.text))
		if got.request("NOTIFY") {
			x.want.told = got.told // a sum
		}
		if got != x.want || ok != x.ok {
			t.Errorf("%s: got %+v, %v, want %+v, %v", x.name, got, ok, x.want, x.ok)
		}
	}
}

func FuzzReadLine(f *testing.F) {
	f.Add([]byte("INVITE sip:b@h SIP/2.0\r\nFrom: <sip:a@h>;tag=1\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nf:x;tag\r\ni\r\nCSeq:\r\n\r\n"))
	f.Add([]byte("A  \r\nFrom:>;;=;tag="))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		l, ok := readLine(b)
		if !ok && l != (line{}) {
			t.Errorf("%q is no message, yet it has %+v", b, l)
		}
		if l.status < 0 || l.status > 999 {
			t.Errorf("%q has status %d", b, l.status)
		}
		if !bytes.Equal(before, b) {
			t.Error("a payload that is shared was changed")
		}
	})
}
