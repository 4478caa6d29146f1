package natmodels

import "time"

// The UDP timers of Linux since 5.0 (net/netfilter/nf_conntrack_proto_udp.c).
const (
	trackUnreplied   = 30 * time.Second
	trackStream      = 120 * time.Second
	trackStreamAfter = 2 * time.Second
	sipHelperTimeout = time.Hour
	sipPort          = 5060
)

// TrackingTimers are the timers of a Conntrack beside those of UDP, which are
// Config.UnrepliedTimeout (30 s) and Config.IdleTimeout (120 s). Zero stands for what
// Linux has, which is given with each.
type TrackingTimers struct {
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

// named lists the timers with their names in the sysctls of Linux, and its defaults.
func (t *TrackingTimers) named() []namedTimer {
	return []namedTimer{
		{"ICMP", &t.ICMP, 30 * time.Second},
		{"SYNSent", &t.SYNSent, 2 * time.Minute},
		{"SYNReceived", &t.SYNReceived, time.Minute},
		{"Established", &t.Established, 5 * 24 * time.Hour},
		{"FINWait", &t.FINWait, 2 * time.Minute},
		{"CloseWait", &t.CloseWait, time.Minute},
		{"LastACK", &t.LastACK, 30 * time.Second},
		{"TimeWait", &t.TimeWait, 2 * time.Minute},
		{"Close", &t.Close, 10 * time.Second},
		{"SYNSent2", &t.SYNSent2, 2 * time.Minute},
		{"Unacknowledged", &t.Unacknowledged, 5 * time.Minute},
	}
}

type namedTimer struct {
	name     string
	value    *time.Duration
	standard time.Duration
}

// orDefaults fills in what is zero.
func (t TrackingTimers) orDefaults() TrackingTimers {
	for _, n := range t.named() {
		if *n.value == 0 {
			*n.value = n.standard
		}
	}
	return t
}

// timeouts are the timers of a tracker in nanoseconds.
type timeouts struct {
	udp, stream, streamAfter uint64
	icmp, unacknowledged     uint64
	tcp                      [tcpStates]uint64
}

func newTimeouts(c Config) timeouts {
	t := c.Tracking.orDefaults()
	after := c.StreamAfter
	if after == 0 {
		after = trackStreamAfter
	}
	return timeouts{
		udp:            uint64(c.Unreplied()),
		stream:         uint64(c.Idle()),
		streamAfter:    uint64(after),
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
