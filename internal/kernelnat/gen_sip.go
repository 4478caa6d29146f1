package kernelnat

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// SIPGenerator makes sequences of SIP messages and media, for rulesets with the SIP
// helper: two phones and two servers, whose ports collide, and who do not always say
// what one would expect.
type SIPGenerator struct {
	Rand *rand.Rand
	// Pauses and Patience are those of a Generator.
	Pauses   []time.Duration
	Patience time.Duration
}

// sipComposer is a sequence of messages being made.
type sipComposer struct {
	*SIPGenerator
	seq    Sequence
	flows  []*sipFlow
	paused time.Duration
}

// sipFlow is an exchange of messages between a phone and a server.
type sipFlow struct {
	phone, server Endpoint
	out           []int // steps that went out
	port          uint16
	// Of the last requests, for responses to them: the method and CSeq of a phone's, of a
	// server's.
	asked, heard request
}

type request struct {
	method string
	cseq   int
}

// Sequence makes the next sequence.
func (g *SIPGenerator) Sequence() Sequence {
	c := &sipComposer{SIPGenerator: g}
	for n := 4 + c.pick(14); n > 0; n-- {
		if len(c.Pauses) > 0 && len(c.seq) > 0 && c.pick(3) == 0 {
			if d := c.Pauses[c.pick(len(c.Pauses))]; c.paused+d <= c.Patience {
				c.paused += d
				c.add(Step{Pause: d})
			}
		}
		c.act()
	}
	return c.seq
}

func (g *SIPGenerator) sequences(n int) []Sequence {
	seqs := make([]Sequence, n)
	for i := range seqs {
		seqs[i] = g.Sequence()
	}
	return seqs
}

func (c *sipComposer) pick(n int) int { return c.Rand.IntN(n) }

// one draws from a list.
func one[T any](c *sipComposer, list ...T) T { return list[c.pick(len(list))] }

func (c *sipComposer) add(s Step) int {
	c.seq = append(c.seq, s)
	return len(c.seq)
}

func (c *sipComposer) act() {
	if len(c.seq) == 0 && c.pick(10) == 0 {
		c.crowd()
		return
	}
	if len(c.flows) == 0 || c.pick(4+2*len(c.flows)) == 0 {
		c.open()
		return
	}
	f := c.flows[c.pick(len(c.flows))]
	switch roll := c.pick(100); {
	case roll < 5:
		c.registration(f)
	case roll < 10:
		c.call(f)
	case roll < 28:
		c.request(f, c.method())
	case roll < 45:
		c.answered(f, c.status())
	case roll < 53:
		c.requested(f)
	case roll < 60:
		c.answer(f)
	case roll < 63:
		c.garbage(f)
	case roll < 70:
		c.knock(f)
	case roll < 85:
		c.mediaIn(f)
	default:
		c.mediaOut(f)
	}
}

// crowd gives a phone a port that is not the one it has inside, towards a server to
// which that is free.
func (c *sipComposer) crowd() {
	port := one[uint16](c, 4000, 5060)
	far := one[uint16](c, 6000, 6060)
	for _, s := range []Step{
		{From: Endpoint{Host: B, Port: port}, To: Endpoint{Host: S2, Port: far}},
		{From: Endpoint{Host: A, Port: port}, To: Endpoint{Host: S2, Port: far}},
		{From: Endpoint{Host: A, Port: port}, To: Endpoint{Host: S1, Port: far}},
	} {
		s.Proto = UDP
		c.add(s)
	}
}

// open begins with a server, or once more.
func (c *sipComposer) open() {
	f := &sipFlow{
		phone:  Endpoint{Host: one(c, A, A, A, B), Port: one[uint16](c, 5060, 5060, 5062)},
		server: Endpoint{Host: one(c, S1, S1, S1, S2), Port: one[uint16](c, 5060, 5060, 5060, 5060, 5060, 5070)},
	}
	f.port = f.phone.Port
	if c.pick(12) == 0 {
		f.phone.Port = 30000 // and listens on port
	}
	c.flows = append(c.flows, f)
	c.request(f, c.method())
}

func (c *sipComposer) method() string {
	return one(c, "REGISTER", "REGISTER", "REGISTER", "INVITE", "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "OPTIONS")
}

func (c *sipComposer) status() string {
	return one(c, "200 OK", "200 OK", "200 OK", "183 Session Progress", "486 Busy Here", "401 Unauthorized")
}

// registration is one as it should be, and who comes in by it.
func (c *sipComposer) registration(f *sipFlow) {
	c.request(f, "REGISTER")
	c.answered(f, "200 OK")
	for range 2 + c.pick(3) {
		one(c, c.knock, c.requested)(f)
	}
}

// call is one as it should be, and its media.
func (c *sipComposer) call(f *sipFlow) {
	c.request(f, "INVITE")
	if c.pick(3) > 0 {
		c.answered(f, "200 OK")
	}
	for range 2 + c.pick(4) {
		one(c, c.mediaIn, c.mediaOut)(f)
	}
}

// request sends one from the phone.
func (c *sipComposer) request(f *sipFlow, method string) {
	f.asked = request{method, 1 + c.pick(2)}
	me := fmt.Sprintf("{%v}:%d", f.phone.Host, f.port)
	m := message{
		start: fmt.Sprintf("%s sip:bob@{%v} SIP/2.0", f.asked.method, f.server.Host),
		via:   me, cseq: f.asked, contact: me,
	}
	if f.port == 5060 && c.pick(4) == 0 {
		m.contact = fmt.Sprintf("{%v}", f.phone.Host)
	}
	if c.pick(8) == 0 {
		m.start = fmt.Sprintf("%s sip:{%v}:5060 SIP/2.0", f.asked.method, f.server.Host)
	}
	if len(f.out) > 0 && c.pick(10) == 0 { // a client that knows its external endpoint
		m.contact = fmt.Sprintf("{#%d}", f.out[0])
	}
	if f.asked.method == "REGISTER" {
		if c.pick(6) == 0 { // a port that another flow registers too
			m.contact = fmt.Sprintf("{%v}:5066", f.phone.Host)
		}
		m.expires(c)
	} else if c.pick(3) > 0 {
		m.sdp = c.sdp(f.phone.Host, one(c, S2, B), one(c, 4000, 4000, 4002, 4001, 5060, 900))
	}
	f.out = append(f.out, c.add(Step{Proto: UDP, From: f.phone, To: f.server, Data: m.text(c)}))
}

// answered responds to the phone.
func (c *sipComposer) answered(f *sipFlow, status string) {
	if f.asked.method == "" {
		return
	}
	seen := f.out[len(f.out)-1-c.pick(min(2, len(f.out)))]
	m := message{
		start: "SIP/2.0 " + status,
		via:   fmt.Sprintf("{#%d};rport={#%d.port};received={ext}", seen, seen), cseq: f.asked,
		contact: fmt.Sprintf("bob@{%v}:5060", f.server.Host),
	}
	if f.asked.method == "REGISTER" {
		m.contact = fmt.Sprintf("{#%d}", seen)
		m.expires(c)
	} else if c.pick(3) > 0 {
		m.sdp = c.sdp(f.server.Host, one(c, S2, A), one(c, 6000, 6000, 6002))
	}
	if c.pick(10) == 0 {
		m.cseq.cseq++
	}
	c.add(Step{Proto: UDP, From: f.server, To: Endpoint{Seen: seen}, Data: m.text(c)})
}

// requested sends a request to the phone, perhaps from another port or server.
func (c *sipComposer) requested(f *sipFlow) {
	if len(f.out) == 0 {
		return
	}
	seen := f.out[c.pick(len(f.out))]
	from := f.server
	if c.pick(4) == 0 {
		from.Port = 6060
	}
	if c.pick(10) == 0 {
		from.Host = S2
	}
	f.heard = request{one(c, "INVITE", "INVITE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER"), 1 + c.pick(2)}
	me := fmt.Sprintf("{%v}:%d", from.Host, from.Port)
	m := message{
		start: fmt.Sprintf("%s sip:alice@{#%d} SIP/2.0", f.heard.method, seen),
		via:   me, cseq: f.heard, contact: me,
	}
	if f.heard.method == "REGISTER" {
		m.expires(c)
	} else if c.pick(3) > 0 {
		m.sdp = c.sdp(from.Host, one(c, S2, A), one(c, 6000, 6000, 6002))
	}
	c.add(Step{Proto: UDP, From: from, To: Endpoint{Seen: seen}, Data: m.text(c)})
}

// answer responds to the server.
func (c *sipComposer) answer(f *sipFlow) {
	if f.heard.method == "" {
		return
	}
	to := f.server
	if c.pick(4) == 0 {
		to.Port = 6060
	}
	m := message{
		start: one(c, "SIP/2.0 200 OK", "SIP/2.0 200 OK", "SIP/2.0 180 Ringing", "SIP/2.0 486 Busy Here"),
		via:   fmt.Sprintf("{%v}:%d", to.Host, to.Port), cseq: f.heard,
		contact: fmt.Sprintf("{%v}:%d", f.phone.Host, f.port),
	}
	if c.pick(3) > 0 {
		m.sdp = c.sdp(f.phone.Host, one(c, S2, B), one(c, 4000, 4000, 4002))
	}
	c.add(Step{Proto: UDP, From: f.phone, To: to, Data: m.text(c)})
}

// garbage is no SIP, from either side.
func (c *sipComposer) garbage(f *sipFlow) {
	data := one(c, "", "\r\n", "hello", "hello, is there anybody in there?", "SIP/2.0 \r\nCSeq: 1 INVITE\r\n\r\n",
		"INVITE sip:bob SIP/2.0\r\n\r\n", "REGISTER sip:bob SIP/2.0\r\nCSeq: x\r\n\r\n", "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl",
		"OPTIONS\r\nVia: SIP/2.0/UDP {A}:5060\r\nm: <sip:{A}>\r\n", "SIP/2.0 200")
	if len(f.out) > 0 && c.pick(2) == 0 {
		c.add(Step{Proto: UDP, From: f.server, To: Endpoint{Seen: f.out[0]}, Data: data})
		return
	}
	f.out = append(f.out, c.add(Step{Proto: UDP, From: f.phone, To: f.server, Data: data}))
}

// knock sends to where the phone may be called, from somewhere.
func (c *sipComposer) knock(f *sipFlow) {
	if len(f.out) > 0 {
		from := Endpoint{Host: one(c, f.server.Host, f.server.Host, S2), Port: one[uint16](c, 5060, 6060, 6062, 6064)}
		c.add(Step{Proto: UDP, From: from, To: Endpoint{Seen: f.out[c.pick(len(f.out))]}})
	}
}

// mediaIn sends media to a port that may have been announced.
func (c *sipComposer) mediaIn(f *sipFlow) {
	from := Endpoint{Host: one(c, f.server.Host, f.server.Host, f.server.Host, S2), Port: one[uint16](c, 6000, 6000, 6001, 7000)}
	c.add(Step{Proto: UDP, From: from, To: Endpoint{Host: Ext, Port: one[uint16](c, 4000, 4000, 4000, 4001, 4002, 5060)}})
}

// mediaOut sends media to a server.
func (c *sipComposer) mediaOut(f *sipFlow) {
	from := Endpoint{Host: one(c, f.phone.Host, f.phone.Host, f.phone.Host, A, B), Port: one[uint16](c, 4000, 4000, 4000, 4001, 4002)}
	to := Endpoint{Host: one(c, f.server.Host, f.server.Host, S2), Port: one[uint16](c, 6000, 6000, 6001, 6002, 7000)}
	c.add(Step{Proto: UDP, From: from, To: to})
}

// message is what the text of a message is made from.
type message struct {
	start, via, contact string
	cseq                request
	extra               []string // fields
	sdp                 string
}

// expires says how long a registration is for, in one of three ways or none.
func (m *message) expires(c *sipComposer) {
	seconds := one(c, 600, 600, 600, 600, 1, 2, 4, 0)
	if c.pick(3) > 0 {
		m.contact += fmt.Sprintf(">;expires=%d", seconds)
	}
	if c.pick(3) > 0 {
		m.extra = append(m.extra, fmt.Sprintf("Expires: %d", seconds))
	}
}

// text writes the message down, not always as one would.
func (m message) text(c *sipComposer) string {
	name := func(long, short string) string {
		if c.pick(4) == 0 {
			return short
		}
		return long
	}
	via := name("Via", "v") + ": SIP/2.0/UDP " + m.via + one(c, ";rport", "", "") + ";branch=z9hG4bK1"
	switch c.pick(12) {
	case 0:
		via += "\r\nVia: SIP/2.0/UDP {S2}:5060;branch=z9hG4bK2"
	case 1:
		via += ", SIP/2.0/UDP {A}:5060;branch=z9hG4bK2"
	case 2:
		via = strings.Replace(via, "UDP ", "UDP\r\n  ", 1)
	case 3:
		via += ";maddr=" + one(c, "{A}", "{S1}")
	case 4:
		via = "X-Via: {A}:5060\r\n" + via
	}
	lines := []string{m.start, via,
		name("From", "f") + ": " + one(c, "<sip:alice@example.com>", "<sip:alice@{A}>", "sip:{S1}", "\"A\" <sip:alice@{A}:5060>") + ";tag=1",
		name("To", "t") + ": " + one(c, "<sip:bob@example.com>", "<sip:bob@{S1}:5060>"),
		"Call-ID: 1@example.com",
		fmt.Sprintf("CSeq: %d %s", m.cseq.cseq, m.cseq.method),
	}
	if m.contact != "" && c.pick(10) > 0 {
		lines = append(lines, name("Contact", "m")+": "+m.contacts(c))
	}
	lines = append(lines, m.extra...)
	if m.sdp != "" {
		lines = append(lines, name("Content-Type", "c")+": application/sdp")
	}
	if length := one(c, "{length}", "{length}", "{length}", "0", "7", ""); length != "" {
		lines = append(lines, name("Content-Length", "l")+": "+length)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + m.sdp
}

// contacts writes one endpoint, or several, or none.
func (m message) contacts(c *sipComposer) string {
	own := "<sip:" + m.contact + ">"
	if strings.Contains(m.contact, ">") { // with parameters
		own = "<sip:" + m.contact
	}
	switch c.pick(22) {
	case 0:
		return "*"
	case 1:
		return "<sip:carol@{S2}:5060>, " + own
	case 2:
		return own + ", <sip:{B}:5062>"
	case 3:
		return own + "\r\nContact: <sip:{A}:5062>;expires=2"
	case 4:
		return strings.Replace(own, ">", ";transport="+one(c, "udp", "tcp")+">", 1)
	case 5:
		return "sip:alice@" + strings.Replace(m.contact, ">", "", 1)
	case 6:
		return "<sip:alice@example.com>"
	case 7:
		return "<sip:alice@{A}:80>"
	case 8:
		return "\r\n   " + own
	case 9:
		return own + ", <sip:alice@example.com>, <sip:{B}:5062>"
	case 10:
		return "<sip:alice@example.com>\r\nContact-Info: x\r\nm: " + own
	}
	return own
}

// sdp writes a session description of a host, which may send its media from another.
func (c *sipComposer) sdp(own, other Host, port int) string {
	address := func() string {
		if c.pick(8) == 0 {
			return fmt.Sprintf("{%v}", other)
		}
		return fmt.Sprintf("{%v}", own)
	}
	lines := []string{"v=0", "o=alice 1 1 IN IP4 " + address(), "s=-", "c=IN IP4 " + address(), "t=0 0"}
	switch c.pick(16) {
	case 0:
		lines = append(lines[:3], lines[4:]...)
	case 1:
		lines = append(lines[:1], lines[2:]...)
	case 2:
		lines[3] = "c=IN IP6 ::1"
	case 3:
		lines = append(lines, "m=text")
	}
	for n := one(c, 1, 1, 1, 1, 2, 3, 0); n > 0; n-- {
		lines = append(lines, fmt.Sprintf("m=%s %d RTP/AVP 0", one(c, "audio", "audio", "audio", "video", "image", "application"), port))
		if c.pick(6) == 0 {
			lines = append(lines, "c=IN IP4 "+address())
		}
		if c.pick(2) == 0 {
			lines = append(lines, fmt.Sprintf("a=rtcp:%d IN IP4 %s", port+1, address()))
		}
		port = one(c, port+2, port+4, 0)
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}
