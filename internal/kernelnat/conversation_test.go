package kernelnat

import (
	"testing"

	"github.com/natproof/natproof/natmodels"
)

// TestConversation checks the sequence numbers of a connection and of others after it
// between the same endpoints (RFC 9293 section 3.4).
func TestConversation(t *testing.T) {
	var c conversation
	for i, step := range []struct {
		from     party
		flags    natmodels.TCPFlags
		seq, ack uint32
		skipped  bool
		lost     bool
	}{
		{from: client, flags: SYN, seq: 1000},
		{from: client, flags: ACK, skipped: true}, // nothing to acknowledge yet
		{from: server, flags: SYN | ACK, seq: 5000, ack: 1001, lost: true},
		{from: client, flags: SYN, seq: 1000}, // again
		{from: server, flags: SYN | ACK, seq: 5000, ack: 1001},
		{from: server, flags: FIN | ACK, skipped: true}, // no window yet
		{from: client, flags: ACK, seq: 1001, ack: 5001},
		{from: server, flags: ACK, seq: 5001, ack: 1001},
		{from: client, flags: FIN | ACK, seq: 1001, ack: 5001, lost: true},
		{from: client, flags: FIN | ACK, seq: 1001, ack: 5001},
		{from: server, flags: ACK, seq: 5001, ack: 1002},
		{from: server, flags: FIN | ACK, seq: 5001, ack: 1002},
		{from: client, flags: ACK, seq: 1002, ack: 5002},
		{from: client, flags: SYN, seq: 1_001_000},
		{from: server, flags: SYN | ACK, seq: 1_005_000, ack: 1_001_001},
		{from: server, flags: RST, seq: 1_005_001},
		{from: server, flags: ACK, skipped: true},
		{from: client, flags: ACK, skipped: true},
		{from: client, flags: SYN, seq: 2_001_000},
		{from: server, flags: RST | ACK, seq: 0, ack: 2_001_001}, // refused
	} {
		seq, ack, ok := c.segment(step.from, step.flags)
		if ok == step.skipped || ok && (seq != step.seq || ack != step.ack) {
			t.Fatalf("step %d: seq %d ack %d, sent: %v; want seq %d ack %d", i+1, seq, ack, ok, step.seq, step.ack)
		}
		if ok && !step.lost {
			c.arrive(step.from, step.flags, seq)
		}
	}
}
