package lab

import (
	"net/netip"
	"time"

	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// Result is what happened in a lab, and what came of what was expected.
type Result struct {
	Title    string
	Story    string
	Seed     uint64
	Clock    Clock
	Lasted   time.Duration
	Ended    bool // before its time: nothing is judged
	Lines    []Line
	Verdicts []Verdict
	Failures []Line // steps that could not be done
	Drops    []Dropped
	Said     []Said // the end of what each program has said

	Events []vnet.Event // of the network, with times since the script began
	Boxes  []stage.Box  // for who draws it
}

// Dropped are packets that are alike and were dropped at one place for one reason.
type Dropped struct {
	Box         string // where
	Message     string // what: "INVITE", "200 OK (INVITE)", "RTP"
	CallID      string // of SIP
	Src, Dst    netip.AddrPort
	Reason      vnet.Reason
	Detail      string // of the first, a plain sentence
	Packets     int
	First, Last time.Duration
}

// Said is what a program has written to stdout and stderr.
type Said struct{ Who, Text string }

// Verdict is what came of an expectation.
type Verdict struct {
	Line  int    // in the lab file
	Says  string // what was expected
	Holds bool
	Saw   string   // what happened
	Cause []string // why it does not hold
}

// Holds says whether everything that was expected is so, and every step could be done.
func (r *Result) Holds() bool {
	for _, v := range r.Verdicts {
		if !v.Holds {
			return false
		}
	}
	return len(r.Failures) == 0 && !r.Ended
}

// result is what came of it; ended says that somebody has ended it before its time.
func (p *play) result(ended bool) *Result {
	r := p.record
	res := &Result{
		Title: p.file.Title, Story: p.file.Story, Seed: p.seed, Clock: p.opts.Clock, Lasted: r.lasted, Ended: ended, Lines: r.lines, Failures: r.cannot,
		Events: r.events, Boxes: p.leftToRight(),
	}
	for _, d := range r.flights.drops {
		res.Drops = append(res.Drops, Dropped{
			Box: d.box, Message: d.label.text, CallID: d.label.callID, Src: d.src, Dst: d.dst, Reason: d.reason, Detail: short(d.detail),
			Packets: len(d.times), First: d.first(), Last: d.last(),
		})
	}
	for i := range p.file.Expect {
		if ended {
			break
		}
		c := p.file.Expect[i].Claim
		v := c.judge(r)
		res.Verdicts = append(res.Verdicts, Verdict{Line: p.file.places[underIndex("expect", i)].line, Says: c.says(), Holds: v.holds, Saw: v.saw, Cause: v.cause})
	}
	for _, name := range p.file.Endpoints.Names() {
		if x := p.running[name]; x != nil {
			res.Said = append(res.Said, Said{name, x.heard.last(saidLines)})
		}
	}
	return res
}

// saidLines is how much of what a program has said is kept for a result.
const saidLines = 12
