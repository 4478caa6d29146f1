package lab

// Expectation is one thing that must have happened.
type Expectation struct{ Claim }

// Claim is an expectation of one kind. Its first key is what is expected, and the value of that whom
// or what it is about.
type Claim interface {
	window() (from, until Duration) // 0, 0: the whole lab; it tells how long the lab must last
	says() string
	judge(r *record) verdict
}

// Window is a part of the time of the lab.
type Window struct {
	From  Duration `yaml:"from" doc:"from when on; the beginning if it is missing"`
	Until Duration `yaml:"until" doc:"until when; the end if it is missing"`
}

func (w Window) window() (from, until Duration) { return w.From, w.Until }

// anytime is for claims without a window.
type anytime struct{}

func (anytime) window() (from, until Duration) { return 0, 0 }

// Registered expects an endpoint to have got a registration, or to have one at a moment.
type Registered struct {
	anytime
	Who    string   `yaml:"registered" ref:"endpoint" doc:"the endpoint that is registered"`
	Within Duration `yaml:"within" doc:"how long after it first began to register"`
	At     Duration `yaml:"at" doc:"when it must have a registration, as far as it knows"`
}

// Unregistered expects an endpoint to have no registration, ever or at a moment.
type Unregistered struct {
	anytime
	Who string   `yaml:"unregistered" ref:"endpoint" doc:"the endpoint that is not registered"`
	At  Duration `yaml:"at" doc:"when, as far as it knows; ever if it is missing"`
}

// Answered expects a call of an endpoint to be answered.
type Answered struct {
	anytime
	Who    string   `yaml:"answered" ref:"endpoint" doc:"the endpoint whose call is answered"`
	Call   uint16   `yaml:"call" doc:"which of the calls that it made; the first if it is missing"`
	Within Duration `yaml:"within" doc:"how long after it was made"`
}

// Unanswered expects a call of an endpoint to come to nothing.
type Unanswered struct {
	anytime
	Who    string `yaml:"unanswered" ref:"endpoint" doc:"the endpoint whose call is not answered"`
	Call   uint16 `yaml:"call" doc:"which of the calls that it made; the first if it is missing"`
	Status uint16 `yaml:"status" doc:"the status that refuses it"`
}

// Ended expects the call of an endpoint to end.
type Ended struct {
	Window
	Who  string  `yaml:"ended" ref:"endpoint" kind:"ua" doc:"the endpoint whose call ends, whoever made it"`
	Call uint16  `yaml:"call" doc:"which of its calls, in and out; the first if it is missing"`
	With EndWord `yaml:"with" doc:"why, as that endpoint sees it"`
}

// InCall expects an endpoint to have a call at a moment.
type InCall struct {
	anytime
	Who string   `yaml:"in-call" ref:"endpoint" kind:"ua" doc:"the endpoint that has a call"`
	At  Duration `yaml:"at" need:"yes" doc:"when"`
}

// Media expects two to hear each other.
type Media struct {
	Window
	Who   string `yaml:"media" ref:"party" doc:"the endpoint or gateway that hears, and is heard"`
	With  string `yaml:"with" need:"yes" ref:"party" doc:"by whom"`
	Share Share  `yaml:"share" doc:"how much of what is sent must arrive; half if it is missing"`
}

// Heard expects one to be heard by another.
type Heard struct {
	Window
	Who   string `yaml:"heard" ref:"party" doc:"the endpoint or gateway that is heard"`
	By    string `yaml:"by" need:"yes" ref:"party" doc:"by whom"`
	Share Share  `yaml:"share" doc:"how much of what is sent must arrive; half if it is missing"`
}

// Unheard expects one not to be heard by another.
type Unheard struct {
	Window
	Who string `yaml:"unheard" ref:"party" doc:"the endpoint or gateway that is not heard"`
	By  string `yaml:"by" need:"yes" ref:"party" doc:"by whom"`
}

// Received expects a text to arrive.
type Received struct {
	Window
	Who  string `yaml:"received" ref:"endpoint" doc:"the endpoint that gets a text"`
	Text string `yaml:"text" need:"yes" doc:"the text"`
}

// Drop expects packets to be dropped.
type Drop struct {
	Window
	Box    string     `yaml:"drop" ref:"box" doc:"who drops: a NAT, a host, the link of a site or NAT, the internet, or any"`
	Reason ReasonWord `yaml:"reason" doc:"why; any if it is missing"`
	Of     string     `yaml:"of" doc:"what: a SIP method or status, SIP, RTP, RTCP, STUN; everything if it is missing"`
	Least  uint16     `yaml:"least" doc:"how many at least; 1 if it is missing"`
}

// NoDrop expects nothing to be dropped.
type NoDrop struct {
	Window
	Box    string     `yaml:"no-drop" ref:"box" doc:"who drops: a NAT, a host, the link of a site or NAT, the internet, or any"`
	Reason ReasonWord `yaml:"reason" doc:"why; any if it is missing"`
	Of     string     `yaml:"of" doc:"what: a SIP method or status, SIP, RTP, RTCP, STUN; everything if it is missing"`
}

// Exited expects a program to end.
type Exited struct {
	anytime
	Who    string `yaml:"exited" ref:"endpoint" kind:"program" doc:"the program that ends"`
	Status uint16 `yaml:"status" doc:"with which exit status; 0 if it is missing"`
}

var claims = []variant{
	{"registered", "An endpoint is registered.", func() any { return &Registered{} }},
	{"unregistered", "An endpoint is not registered.", func() any { return &Unregistered{} }},
	{"answered", "A call is answered.", func() any { return &Answered{} }},
	{"unanswered", "A call is not answered.", func() any { return &Unanswered{} }},
	{"ended", "A call ends.", func() any { return &Ended{} }},
	{"in-call", "An endpoint has a call.", func() any { return &InCall{} }},
	{"media", "Two hear each other.", func() any { return &Media{} }},
	{"heard", "One is heard by another.", func() any { return &Heard{} }},
	{"unheard", "One is not heard by another.", func() any { return &Unheard{} }},
	{"received", "A text arrives.", func() any { return &Received{} }},
	{"drop", "Packets are dropped.", func() any { return &Drop{} }},
	{"no-drop", "No packet is dropped.", func() any { return &NoDrop{} }},
	{"exited", "A program ends.", func() any { return &Exited{} }},
}
