package flows

import (
	"context"
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// Steps of a phone that roams: a registers from another network.
var (
	RoamRequest  = cell.Step{Name: "register request elsewhere", Part: cell.Registration}
	RoamResponse = cell.Step{Name: "register response elsewhere", Part: cell.Registration}
)

// roams says whether a does so at that moment.
func roams(when cell.Moment) func(cell.Cell) bool {
	return func(c cell.Cell) bool { return c.Change == cell.ChangeRoam && c.When == when }
}

// roamsIdle are the steps of a phone that roams before anybody calls, after what passes until then.
func roamsIdle(passes func(*theory.Network)) []Step {
	return given(roams(cell.WhenIdle), after(passes, roamsRegister()))
}

func roamsRegister() []Step {
	return []Step{
		{
			Step: RoamRequest, Message: "REGISTER", From: cell.BoxA, To: cell.BoxProxy,
			Match: wire.Roamed(cell.BoxElsewhere, wire.Request("REGISTER")),
			Asks:  (*theory.Network).Roams,
		},
		{
			Step: RoamResponse, Message: "200 to REGISTER", From: cell.BoxProxy, To: cell.BoxA,
			Match: wire.Roamed(cell.BoxElsewhere, wire.Success("REGISTER")),
			Asks:  (*theory.Network).Roamed,
			Needs: []Need{{RoamRequest, "it never roamed"}},
		},
	}
}

// roam is what a re-INVITE is for.
const roam = "roam"

// talksRoaming are the rest of a call in which a roams: it registers, tells the other end of its
// addresses by its n-th INVITE, they talk, and one hangs up. Of all other cells they are the usual.
func talksRoaming(ends map[cell.Side]End, caller cell.Side) []Step {
	n := 1
	if caller == cell.A {
		n++
	}
	register := after((*theory.Network).InCall, roamsRegister())
	register[0].Needs = []Need{{Ack, "no call was established"}}
	return steps(
		given(roams(cell.WhenInCall), steps(register, after((*theory.Network).RoamsInCall, reinvites(ends, cell.A, n, roam, Ack)),
			thereafter(ReinviteAck(roam), steps(after(func(n *theory.Network) { n.Reinvited(cell.A) }, talks(ends)), hangsUp(ends, caller))))),
		given(func(c cell.Cell) bool { return !roams(cell.WhenInCall)(c) }, steps(talks(ends), hangsUp(ends, caller))),
	)
}

// given are the steps of those cells alone.
func given(these func(cell.Cell) bool, list []Step) []Step {
	list = slices.Clone(list)
	for i, s := range list {
		list[i].If = func(c cell.Cell) bool { return these(c) && (s.If == nil || s.If(c)) }
	}
	return list
}

// roam lets a go on by its other interface.
func (p *Play) roam() {
	phone, able := p.Ends[cell.A].(stage.Roamer)
	if !able {
		p.fails(stage.ErrCannot)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p.note(cell.A, "roam", phone.Roam(ctx))
}
