package lab

import "net/netip"

// The types of this file are what a lab file says: the decoder reads it by them, and the published
// JSON Schema is made from them. A field without the tag need may be missing; ref names what the
// value must be the name of.

// File is a lab file.
type File struct {
	Title  string   `yaml:"title" need:"yes" doc:"what the lab shows, in a line"`
	Story  string   `yaml:"story" doc:"what happens in it and why, for people"`
	Seed   uint64   `yaml:"seed" doc:"decides everything random; 1 if it is missing"`
	Domain string   `yaml:"domain" doc:"of the addresses of record; example.com if it is missing"`
	Hosts  HostWord `yaml:"hosts" doc:"what the sockets of hosts are made of; native if it is missing"`
	Lasts  Duration `yaml:"lasts" doc:"when the lab ends; otherwise when all that the script began is over"`

	NATs      Table[NAT]      `yaml:"nats" doc:"the NATs and firewalls by name"`
	Sites     Table[Site]     `yaml:"sites" need:"yes" doc:"the local networks by name"`
	Servers   Table[Server]   `yaml:"servers" doc:"the servers by name"`
	Endpoints Table[Endpoint] `yaml:"endpoints" doc:"the phones and programs by name"`

	Script []Step        `yaml:"script" doc:"what happens, and when"`
	Expect []Expectation `yaml:"expect" doc:"what must have happened"`

	dir    string // where the files are that it names
	places map[string]place
	source *problems // the name of the file, and its lines
}

// NAT is a gateway between two realms.
type NAT struct {
	Model    string       `yaml:"model" need:"yes" doc:"a name of 'natproof nat list', or a file in the settings notation"`
	Settings Settings     `yaml:"settings" doc:"what is different: lines of the settings notation"`
	Behind   string       `yaml:"behind" ref:"nat" doc:"the NAT that this one is behind; the internet if it is missing"`
	External []netip.Addr `yaml:"external" doc:"its addresses on the outside; a router or firewall has none"`
	Forwards []Forward    `yaml:"forwards" doc:"port forwards"`
	ALG      ALGWord      `yaml:"alg" doc:"the SIP application level gateway beside the NAT; off if it is missing"`
	Link     *Link        `yaml:"link" doc:"the link to the outside; perfect if it is missing"`
}

// Settings are lines of the settings notation of NATs.
type Settings string

// Forward is a port forward.
type Forward struct {
	Protocol string         `yaml:"protocol" doc:"udp or tcp; udp if it is missing"`
	External netip.AddrPort `yaml:"external" need:"yes" doc:"address and port on the outside"`
	Internal netip.AddrPort `yaml:"internal" need:"yes" doc:"address and port on the inside"`
}

// Link is what packets meet on the way between a site or NAT and the realm outside.
type Link struct {
	Up   string `yaml:"up" need:"yes" doc:"the direction to the outside: settings such as 'latency=20ms loss=1%'"`
	Down string `yaml:"down" need:"yes" doc:"the direction to the inside"`
}

// Site is a local network.
type Site struct {
	Prefix netip.Prefix `yaml:"prefix" need:"yes" doc:"its addresses; the first is its router's"`
	Behind string       `yaml:"behind" ref:"nat" doc:"the NAT that it is behind; the internet if it is missing"`
	Link   *Link        `yaml:"link" doc:"the link to its realm; perfect if it is missing"`
	Hosts  Table[Host]  `yaml:"hosts" doc:"the hosts by name, each with its address"`
}

// Host is a machine of a site: its addresses.
type Host struct {
	Addrs []netip.Addr `yaml:"addresses" need:"yes" doc:"its addresses"`
}

// Server is one of Registrar, STUNServer and Gateway.
type Server struct{ Is any }

// Registrar is a registrar and proxy.
type Registrar struct {
	Host       string            `yaml:"host" ref:"host" doc:"where it runs; the host of its own name if it is missing"`
	Port       uint16            `yaml:"port" doc:"5060 if it is missing"`
	Users      map[string]string `yaml:"users" doc:"passwords by user name; without it anybody may register"`
	Policy     PolicyWord        `yaml:"policy" doc:"where requests to a user go; contact if it is missing"`
	CallsFrom  netip.AddrPort    `yaml:"calls-from" doc:"of the policy another-source: a second address of the host, where requests to users leave from"`
	Advertise  netip.AddrPort    `yaml:"advertise" doc:"what it writes into Via and Record-Route, and where phones send; its own address if it is missing"`
	Ping       *Ping             `yaml:"ping" doc:"what it sends to hold the mappings of its users"`
	Routes     []Route           `yaml:"routes" doc:"where requests to others than its users go"`
	MinExpires Duration          `yaml:"min-expires" doc:"the shortest registration that it grants; a minute if it is missing"`
}

// Ping is what a registrar sends to hold mappings.
type Ping struct {
	Kind  PingWord `yaml:"kind" need:"yes" doc:"four zero bytes, or OPTIONS"`
	Every Duration `yaml:"every" need:"yes" doc:"the time between two"`
}

// Route is where a registrar sends telephone numbers.
type Route struct {
	Prefix string `yaml:"prefix" doc:"what the number begins with; any if it is missing"`
	To     string `yaml:"to" need:"yes" ref:"server" doc:"a gateway"`
}

// STUNServer is a STUN server.
type STUNServer struct {
	Host      string         `yaml:"host" ref:"host" doc:"where it runs; the host of its own name if it is missing"`
	Port      uint16         `yaml:"port" doc:"3478 if it is missing"`
	Alternate netip.AddrPort `yaml:"alternate" doc:"a second address of the host and a second port, for behaviour discovery (RFC 5780)"`
}

// Gateway is a PSTN gateway, which answers calls to numbers.
type Gateway struct {
	Host       string    `yaml:"host" ref:"host" doc:"where it runs; the host of its own name if it is missing"`
	Port       uint16    `yaml:"port" doc:"5060 if it is missing"`
	Rings      Duration  `yaml:"rings" doc:"how long it rings before it answers"`
	Talks      Duration  `yaml:"talks" doc:"how long it talks before it hangs up; until the caller does if it is missing"`
	EarlyMedia bool      `yaml:"early-media" doc:"it is heard while it rings"`
	Latch      LatchWord `yaml:"latch" doc:"when it sends to where media comes from; off if it is missing"`
	Strict     bool      `yaml:"strict" doc:"it drops media from elsewhere than was signalled"`
	Silent     bool      `yaml:"silent" doc:"it sends no RTP"`
}

// Endpoint is one of UA, Plain and Program.
type Endpoint struct{ Is any }

// Account is what phones of every kind have.
type Account struct {
	Host      string         `yaml:"host" ref:"host" doc:"where it runs; the host of its own name if it is missing"`
	Registrar string         `yaml:"registrar" ref:"server" doc:"its registrar and proxy; the only one if it is missing"`
	Proxy     netip.AddrPort `yaml:"proxy" doc:"where requests go, instead of the address that the registrar advertises"`
}

// UA is this project's user agent.
type UA struct {
	Account
	URI       string       `yaml:"uri" doc:"its address of record; its name at the domain if it is missing"`
	Password  string       `yaml:"password" doc:"for a registrar with users"`
	Expires   Duration     `yaml:"expires" doc:"for how long it registers; an hour if it is missing"`
	Ports     ManagerWord  `yaml:"ports" doc:"how it knows its addresses: local, static (the port forwards), stun; local if it is missing"`
	STUN      string       `yaml:"stun" ref:"server" doc:"the STUN server of ports: stun; the only one if it is missing"`
	KeepAlive *KeepAlive   `yaml:"keepalive" doc:"what it sends to hold its mapping; nothing if it is missing"`
	Codecs    []CodecWord  `yaml:"codecs" doc:"in the order of preference; both if it is missing"`
	Rport     bool         `yaml:"rport" doc:"it asks for responses to the source of a request (RFC 3581)"`
	Learn     bool         `yaml:"learn-contact" doc:"it registers the address that the registrar has seen; needs rport"`
	Latch     LatchWord    `yaml:"latch" doc:"when it sends to where media comes from; off if it is missing"`
	Strict    bool         `yaml:"strict" doc:"it drops media from elsewhere than was signalled"`
	Silent    bool         `yaml:"silent" doc:"it sends no RTP"`
	Mux       bool         `yaml:"rtcp-mux" doc:"RTCP on the port of RTP (RFC 5761)"`
	Timer     Duration     `yaml:"session-timer" doc:"calls expire that are not refreshed for so long (RFC 4028); off if it is missing"`
	Answer    *AnswerRules `yaml:"answer" doc:"what it does when it is called; it answers at once if it is missing"`
}

// KeepAlive is what an endpoint sends to hold its mapping.
type KeepAlive struct {
	Kind  KeepAliveWord `yaml:"kind" need:"yes" doc:"what is sent"`
	Every Duration      `yaml:"every" doc:"the time between two; 24 to 29 s if it is missing"`
}

// AnswerRules are what an endpoint does when it is called.
type AnswerRules struct {
	Rings  Duration `yaml:"rings" doc:"how long it rings first"`
	Early  bool     `yaml:"early-media" doc:"it is heard while it rings"`
	Refuse uint16   `yaml:"refuse" doc:"it refuses with this status instead, 300 to 699"`
	Never  bool     `yaml:"never" doc:"it rings, and nobody picks up"`
}

// Plain is a phone on sipgo as it comes, which knows nothing of NATs.
type Plain struct {
	Account
}

// Program is a real program. A lab that has one plays on the real clock.
type Program struct {
	Host      string            `yaml:"host" ref:"host" doc:"where it runs; the host of its own name if it is missing"`
	Run       []string          `yaml:"run" need:"yes" doc:"the program and its arguments; ${NAME} is a variable of the lab: NATPROOF_DOMAIN, NATPROOF_ADDRESS (of this host), NATPROOF_SERVER, NATPROOF_SERVER_ADDRESS and NATPROOF_SERVER_PORT of each server in upper case, and of the only REGISTRAR, STUN or GATEWAY, NATPROOF_HOST_ADDRESS of each host"`
	Env       map[string]string `yaml:"env" doc:"variables of its environment, beside those of natproof and of the lab"`
	Dir       string            `yaml:"dir" doc:"the directory that it runs in; that of the lab file if it is missing"`
	Ready     *Ready            `yaml:"ready" doc:"when it counts as started; at once if it is missing"`
	OnRequest bool              `yaml:"on-request" doc:"it is started by a step of the script, and not before the script begins"`
}

// Ready is when a program counts as started: when all that is asked for has been seen.
type Ready struct {
	Output     string   `yaml:"output" doc:"a text that it has written to stdout or stderr"`
	UDP        uint16   `yaml:"udp" doc:"a UDP port that it is bound to"`
	Registered bool     `yaml:"registered" doc:"it got a 2xx for a REGISTER"`
	Within     Duration `yaml:"within" doc:"how long that may take; 10 s if it is missing"`
}
