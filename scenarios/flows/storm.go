package flows

import (
	"context"
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/theory"
	"github.com/natproof/natproof/scenarios/wire"
)

// Steps of a storm, of all phones.
var (
	AgainRequest  = cell.Step{Name: "register request again", Part: cell.Registration}
	AgainResponse = cell.Step{Name: "register response again", Part: cell.Registration}
)

// RegisterStorm is many phones behind one NAT that forgets them. Those that notice, by a keepalive or
// by asking a STUN server, register again, all at about the same time.
var RegisterStorm = add(Flow{
	Key: "register-storm", Order: 17,
	Help:    "many phones behind one NAT, which restarts; the last one is called",
	Story:   "It and many others behind the same NAT register; the NAT forgets them in the midst of an idle time; those that notice register again; then b, a public caller, calls a, and one hangs up.",
	Ends:    registerEnds,
	Without: []string{cell.KeyB, cell.KeyTopology, cell.KeyCarrier, cell.KeyHairpin, cell.KeyALG, cell.KeyHangup},
	With:    []string{cell.KeyPhones, cell.KeyIdle, cell.KeyKeepAlive, cell.KeyInterval, cell.KeyChange},
	Caller:  cell.B,
	Steps: steps(registers(registerEnds, cell.A), after((*theory.Network).Idle, registerAgain()),
		after((*theory.Network).IdleOnce, calls(registerEnds, cell.B)), hangsUp(registerEnds, cell.B)),
	Play: func(ctx context.Context, p *Play) {
		p.RegisterCrowd(ctx)
		p.Register(ctx, cell.A)
		p.Idle()
		p.Converse(ctx, cell.B, "sip:a@"+cell.Domain)
	},
	Columns: []Column{
		{"register response", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"incoming INVITE", []cell.Step{Invite}},
		{"200 to INVITE", []cell.Step{FinalResponse}},
		{"ACK", []cell.Step{Ack}},
		{"BYE", []cell.Step{Bye}},
	},
})

// registerAgain are the steps of a registration that comes of a change, by every phone behind the NAT.
func registerAgain() []Step {
	changed := func(c cell.Cell) bool { return c.Change != cell.ChangeNone }
	return []Step{
		{
			Step: AgainRequest, Message: "REGISTER", From: cell.BoxA, To: cell.BoxProxy, If: changed, Each: crowd,
			Match: wire.Again("REGISTER"),
			Asks:  func(n *theory.Network) theory.Answer { return n.RegistersAgain(cell.A) },
		},
		{
			Step: AgainResponse, Message: "200 to REGISTER", From: cell.BoxProxy, To: cell.BoxA, If: changed, Each: crowd,
			Match: wire.AgainSuccess("REGISTER"),
			Asks:  func(n *theory.Network) theory.Answer { return n.RegisteredAgain(cell.A, "200 to REGISTER") },
			Needs: []Need{{AgainRequest, "not every phone has noticed"}},
		},
	}
}

// crowd are the other phones behind the NAT of a.
func crowd(c cell.Cell) []string {
	var all []string
	for i := 1; i < c.Phones.Int(); i++ {
		all = append(all, fmt.Sprintf("%s-%d", cell.BoxBeside, i))
	}
	return all
}
