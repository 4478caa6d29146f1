package kernelnat

import (
	"fmt"
	"time"
)

// Timers are the sysctls net.netfilter.nf_conntrack_*.
type Timers struct {
	UDP, UDPStream time.Duration
	ICMP           time.Duration
	TCP            [tcpStates]time.Duration
	TCPUnacked     time.Duration
}

// KernelTimers are the defaults of Linux.
var KernelTimers = Timers{
	UDP:       30 * time.Second,
	UDPStream: 120 * time.Second,
	ICMP:      30 * time.Second,
	TCP: [tcpStates]time.Duration{
		synSent:     2 * time.Minute,
		synReceived: time.Minute,
		established: 5 * 24 * time.Hour,
		finWait:     2 * time.Minute,
		closeWait:   time.Minute,
		lastAck:     30 * time.Second,
		timeWait:    2 * time.Minute,
		closed:      10 * time.Second,
		synSent2:    2 * time.Minute,
	},
	TCPUnacked: 5 * time.Minute,
}

// ShortTimers are whole seconds none of which is near a multiple of the pauses
// between steps, so that a step is never close to the end of a timer.
var ShortTimers = Timers{
	UDP:       time.Second,
	UDPStream: 4 * time.Second,
	ICMP:      2 * time.Second,
	TCP: [tcpStates]time.Duration{
		synSent:     2 * time.Second,
		synReceived: time.Second,
		established: 7 * time.Second,
		finWait:     2 * time.Second,
		closeWait:   time.Second,
		lastAck:     2 * time.Second,
		timeWait:    4 * time.Second,
		closed:      time.Second,
		synSent2:    2 * time.Minute, // there is no sysctl for it
	},
	TCPUnacked: 4 * time.Second,
}

// Sysctls returns the settings that give the kernel these timers.
func (t Timers) Sysctls() []string {
	list := []string{
		setting("udp_timeout", t.UDP),
		setting("udp_timeout_stream", t.UDPStream),
		setting("icmp_timeout", t.ICMP),
		setting("tcp_timeout_unacknowledged", t.TCPUnacked),
	}
	for s, name := range tcpTimerNames {
		if name != "" {
			list = append(list, setting("tcp_timeout_"+name, t.TCP[s]))
		}
	}
	return list
}

// tcpTimerNames are the timers that can be set.
var tcpTimerNames = [tcpStates]string{
	synSent: "syn_sent", synReceived: "syn_recv", established: "established", finWait: "fin_wait",
	closeWait: "close_wait", lastAck: "last_ack", timeWait: "time_wait", closed: "close",
}

func setting(name string, d time.Duration) string {
	return fmt.Sprintf("net.netfilter.nf_conntrack_%s=%d", name, d/time.Second)
}
