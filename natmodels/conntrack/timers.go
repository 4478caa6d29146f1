package conntrack

import "time"

// What the SIP helper of Linux reads, and how long it keeps that
// (net/netfilter/nf_conntrack_sip.c).
const (
	sipHelperTimeout = time.Hour
	sipPort          = 5060
)

// Timers are those of connections. Zero stands for what Linux has, which is given with each.
type Timers struct {
	Unreplied time.Duration // 30 s: UDP that nobody answered; at most Idle
	Idle      time.Duration // 2 min: a UDP stream
	// StreamAfter is how old a UDP flow must be before Idle takes the place of Unreplied;
	// until then even packets of a flow that was answered give it Unreplied. Zero is 2 s.
	StreamAfter time.Duration

	ICMP           time.Duration // 30 s
	SYNSent        time.Duration // 2 min
	SYNReceived    time.Duration // 1 min
	Established    time.Duration // 5 days
	FINWait        time.Duration // 2 min
	CloseWait      time.Duration // 1 min
	LastACK        time.Duration // 30 s
	TimeWait       time.Duration // 2 min
	Close          time.Duration // 10 s
	SYNSent2       time.Duration // 2 min: both ends have sent a SYN
	Unacknowledged time.Duration // 5 min: established, and nothing came back yet
}

// timer is one of them, with its name in the settings notation.
type timer struct {
	name, doc string
	at        func(*Timers) *time.Duration
	standard  time.Duration
}

var timers = []timer{
	{"unreplied", "ends a UDP connection that nobody answered", func(t *Timers) *time.Duration { return &t.Unreplied }, 30 * time.Second},
	{"idle", "ends a UDP stream that was not refreshed for so long", func(t *Timers) *time.Duration { return &t.Idle }, 2 * time.Minute},
	{"stream-after", "how old a UDP connection must be before idle takes the place of unreplied", func(t *Timers) *time.Duration { return &t.StreamAfter }, 2 * time.Second},
	{"icmp", "ends an ICMP query", func(t *Timers) *time.Duration { return &t.ICMP }, 30 * time.Second},
	{"tcp-syn-sent", "ends a TCP connection of which a SYN was seen", func(t *Timers) *time.Duration { return &t.SYNSent }, 2 * time.Minute},
	{"tcp-syn-received", "the same after SYN and ACK", func(t *Timers) *time.Duration { return &t.SYNReceived }, time.Minute},
	{"tcp-established", "ends an idle TCP connection", func(t *Timers) *time.Duration { return &t.Established }, 5 * 24 * time.Hour},
	{"tcp-fin-wait", "the same after a FIN", func(t *Timers) *time.Duration { return &t.FINWait }, 2 * time.Minute},
	{"tcp-close-wait", "the same after a FIN and its ACK", func(t *Timers) *time.Duration { return &t.CloseWait }, time.Minute},
	{"tcp-last-ack", "the same after a FIN from both sides", func(t *Timers) *time.Duration { return &t.LastACK }, 30 * time.Second},
	{"tcp-time-wait", "the same after the last ACK", func(t *Timers) *time.Duration { return &t.TimeWait }, 2 * time.Minute},
	{"tcp-close", "the same after a RST", func(t *Timers) *time.Duration { return &t.Close }, 10 * time.Second},
	{"tcp-syn-sent-2", "ends a TCP connection of which both ends sent a SYN", func(t *Timers) *time.Duration { return &t.SYNSent2 }, 2 * time.Minute},
	{"tcp-unacknowledged", "ends an established TCP connection to which nothing came back yet", func(t *Timers) *time.Duration { return &t.Unacknowledged }, 5 * time.Minute},
}

// orDefaults fills in what is zero. A stream that is shorter than the time without an answer
// shortens that too.
func (t Timers) orDefaults() Timers {
	unreplied := t.Unreplied
	for _, n := range timers {
		if at := n.at(&t); *at == 0 {
			*at = n.standard
		}
	}
	if unreplied == 0 {
		t.Unreplied = min(t.Unreplied, t.Idle)
	}
	return t
}

// timeouts are the timers of a Tracker in nanoseconds.
type timeouts struct {
	udp, stream, streamAfter uint64
	icmp, unacknowledged     uint64
	tcp                      [tcpStates]uint64
}

func newTimeouts(t Timers) timeouts {
	t = t.orDefaults()
	return timeouts{
		udp:            uint64(t.Unreplied),
		stream:         uint64(t.Idle),
		streamAfter:    uint64(t.StreamAfter),
		icmp:           uint64(t.ICMP),
		unacknowledged: uint64(t.Unacknowledged),
		tcp: [tcpStates]uint64{
			synSent:     uint64(t.SYNSent),
			synReceived: uint64(t.SYNReceived),
			established: uint64(t.Established),
			finWait:     uint64(t.FINWait),
			closeWait:   uint64(t.CloseWait),
			lastACK:     uint64(t.LastACK),
			timeWait:    uint64(t.TimeWait),
			closed:      uint64(t.Close),
			synSent2:    uint64(t.SYNSent2),
		},
	}
}
