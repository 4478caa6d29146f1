package translate

import "github.com/natproof/natproof/natmodels"

// expireSome ends mappings whose time has come, but handles only a bounded number
// of timers. What is left over is dead all the same: every lookup compares the
// deadline. Only a NAT that counts its mappings must end them all; see UnderLoad.
func (n *NAT) expireSome(t uint64) {
	if n.wheel.Next() <= t {
		n.runTimers(t, n.timerBudget())
	}
}

func (n *NAT) timerBudget() int {
	if n.cfg.UnderLoad.Mappings > 0 {
		return -1
	}
	return n.timersPerPacket
}

// expireAll ends every mapping whose time has come.
func (n *NAT) expireAll(t uint64) {
	if n.wheel.Next() <= t {
		n.runTimers(t, -1)
	}
}

func (n *NAT) runTimers(t uint64, budget int) {
	n.wheel.Run(t, budget, func(ref uint32) {
		m := n.mappings.At(ref)
		if deadline := n.deadline(m); deadline > t {
			n.wheel.Unschedule(&m.Timed)
			n.wheel.Schedule(ref, deadline)
		} else {
			n.end(ref, natmodels.Expired, deadline)
		}
	})
}
