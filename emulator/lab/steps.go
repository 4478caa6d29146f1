package lab

import (
	"net/netip"
)

// Step is a step of the script: when, and one action.
type Step struct{ Action }

// Action is something that is done at a moment. Its first key is what is done, and the value of that
// who does it, or what it is done to.
type Action interface {
	when() *When
	begin(p *play) (does string, work work)
}

// When is the moment of a step.
type When struct {
	At    *Duration `yaml:"at" doc:"when, since the lab began"`
	After *Duration `yaml:"after" doc:"when, since the step before; at the moment of that one if both are missing"`
}

func (w *When) when() *When { return w }

// Register has an endpoint register, and go on doing so.
type Register struct {
	When
	Who string `yaml:"register" ref:"endpoint" can:"register" doc:"the endpoint that registers"`
}

// Unregister has an endpoint take its registration back.
type Unregister struct {
	When
	Who string `yaml:"unregister" ref:"endpoint" can:"unregister" doc:"the endpoint that unregisters"`
}

// Call has an endpoint call somebody.
type Call struct {
	When
	Who string `yaml:"call" ref:"endpoint" can:"call" doc:"the endpoint that calls"`
	To  string `yaml:"to" need:"yes" ref:"target" doc:"whom: an endpoint, a number, or a SIP URI"`
}

// Hangup has an endpoint end its last call.
type Hangup struct {
	When
	Who string `yaml:"hangup" ref:"endpoint" can:"hangup" doc:"the endpoint that hangs up"`
}

// Hold has an endpoint put its call on hold.
type Hold struct {
	When
	Who string `yaml:"hold" ref:"endpoint" can:"hold" doc:"the endpoint that puts its call on hold"`
}

// Resume ends that.
type Resume struct {
	When
	Who string `yaml:"resume" ref:"endpoint" can:"resume" doc:"the endpoint that resumes its call"`
}

// Renew has an endpoint ask for its addresses anew and tell the other end of its call.
type Renew struct {
	When
	Who string `yaml:"renew" ref:"endpoint" can:"renew" doc:"the endpoint that tells the other end its addresses anew, by re-INVITE"`
}

// Transfer has an endpoint transfer its call.
type Transfer struct {
	When
	Who string `yaml:"transfer" ref:"endpoint" can:"transfer" doc:"the endpoint that transfers its call"`
	To  string `yaml:"to" need:"yes" ref:"target" doc:"to whom: an endpoint, a number, or a SIP URI"`
}

// Press has an endpoint press keys in its call.
type Press struct {
	When
	Who    string `yaml:"press" ref:"endpoint" can:"press" doc:"the endpoint that presses keys"`
	Digits string `yaml:"digits" need:"yes" doc:"0 to 9, *, #, A to D"`
}

// Message has an endpoint send a text.
type Message struct {
	When
	Who  string `yaml:"message" ref:"endpoint" can:"message" doc:"the endpoint that sends a text"`
	To   string `yaml:"to" need:"yes" ref:"target" doc:"to whom: an endpoint, or a SIP URI"`
	Text string `yaml:"text" need:"yes" doc:"the text"`
}

// Roam moves an endpoint to another host, which may be at another site.
type Roam struct {
	When
	Who string `yaml:"roam" ref:"endpoint" can:"roam" doc:"the endpoint that moves"`
	To  string `yaml:"to" need:"yes" ref:"host" doc:"the host that it is on from now on; nobody else may be there"`
}

// Attack has a stranger send RTP to where an endpoint wants that of its call.
type Attack struct {
	When
	Who   string   `yaml:"attack" ref:"endpoint" can:"attack" doc:"the endpoint that is sent RTP to"`
	By    string   `yaml:"by" need:"yes" ref:"host" doc:"the host of the stranger"`
	Lasts Duration `yaml:"lasts" need:"yes" doc:"for how long"`
	Every Duration `yaml:"every" doc:"the time between two packets; 20 ms if it is missing"`
}

// Start starts a program that is there on request.
type Start struct {
	When
	Who string `yaml:"start" ref:"endpoint" can:"start" doc:"the program that is started"`
}

// Stop ends a program.
type Stop struct {
	When
	Who string `yaml:"stop" ref:"endpoint" can:"stop" doc:"the program that is told to end (SIGTERM)"`
}

// Restart has a NAT forget everything.
type Restart struct {
	When
	NAT string   `yaml:"restart" ref:"nat" doc:"the NAT that restarts: every mapping is lost"`
	For Duration `yaml:"for" doc:"how long it is down meanwhile"`
}

// Renumber gives a NAT other external addresses.
type Renumber struct {
	When
	NAT string       `yaml:"renumber" ref:"nat" doc:"the NAT that gets another address"`
	To  []netip.Addr `yaml:"to" need:"yes" doc:"its external addresses from now on"`
}

// Change changes how a NAT behaves.
type Change struct {
	When
	NAT      string   `yaml:"change" ref:"nat" doc:"the NAT that behaves in another way from now on"`
	Settings Settings `yaml:"settings" need:"yes" doc:"what is different: lines of the settings notation"`
}

// SetALG switches a SIP ALG.
type SetALG struct {
	When
	NAT string  `yaml:"alg" ref:"nat" doc:"the NAT beside which a SIP ALG is switched"`
	Is  ALGWord `yaml:"is" need:"yes" doc:"which one, or off"`
}

// SetLink changes a link.
type SetLink struct {
	When
	Box   string    `yaml:"link" ref:"link" doc:"the site or NAT whose link changes"`
	Is    *Link     `yaml:"is" need:"yes" doc:"what is different: settings such as 'loss=20%', a preset, perfect, or down"`
	Until *Duration `yaml:"until" doc:"when it is as it was before again; it stays if it is missing"`
}

// Lose takes messages off a link.
type Lose struct {
	When
	What  string    `yaml:"lose" doc:"what is lost: a SIP method or status such as ACK or 200, SIP, RTP, RTCP, STUN, or everything"`
	On    string    `yaml:"on" need:"yes" ref:"link" doc:"the site or NAT on whose link"`
	Count uint16    `yaml:"count" doc:"how many; all if it is missing"`
	Until *Duration `yaml:"until" doc:"when nothing is lost any more"`
}

// Idle lets time pass.
type Idle struct {
	When
	For Duration `yaml:"idle" doc:"how long nobody does anything: the next step comes that much later"`
}

var actions = []variant{
	{"register", "An endpoint registers, and goes on doing so.", func() any { return &Register{} }},
	{"unregister", "An endpoint takes its registration back.", func() any { return &Unregister{} }},
	{"call", "An endpoint calls.", func() any { return &Call{} }},
	{"hangup", "An endpoint ends its last call, in or out.", func() any { return &Hangup{} }},
	{"hold", "An endpoint puts its call on hold (re-INVITE).", func() any { return &Hold{} }},
	{"resume", "An endpoint resumes its call.", func() any { return &Resume{} }},
	{"renew", "An endpoint tells the other end of its call its addresses anew.", func() any { return &Renew{} }},
	{"transfer", "An endpoint transfers its call (REFER).", func() any { return &Transfer{} }},
	{"press", "An endpoint presses keys (RFC 4733).", func() any { return &Press{} }},
	{"message", "An endpoint sends a text (MESSAGE).", func() any { return &Message{} }},
	{"roam", "An endpoint moves to another host.", func() any { return &Roam{} }},
	{"attack", "A stranger sends RTP to where an endpoint wants it.", func() any { return &Attack{} }},
	{"start", "A program is started.", func() any { return &Start{} }},
	{"stop", "A program is told to end.", func() any { return &Stop{} }},
	{"restart", "A NAT restarts.", func() any { return &Restart{} }},
	{"renumber", "A NAT gets other external addresses.", func() any { return &Renumber{} }},
	{"change", "A NAT behaves in another way.", func() any { return &Change{} }},
	{"alg", "A SIP ALG is switched on or off.", func() any { return &SetALG{} }},
	{"link", "A link changes, or goes down.", func() any { return &SetLink{} }},
	{"lose", "Messages are lost on a link.", func() any { return &Lose{} }},
	{"idle", "Time passes.", func() any { return &Idle{} }},
}
