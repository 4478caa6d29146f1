package flows

import (
	"context"
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// toPhone is what a calls where b is the PSTN gateway.
const toPhone = "sip:" + cell.PhoneNumber + "@" + cell.Domain + ";user=phone"

// DTMFToPhone is DTMF by way of the PSTN gateway, which hears the keys as a telephone exchange does.
var DTMFToPhone = add(Flow{
	Key: "dtmf-to-phone", Order: 37,
	Help:    "register, call a telephone through the PSTN gateway and press keys",
	Story:   "It registers and calls a telephone number; the gateway has a public address; they talk, a presses keys, and one hangs up.",
	Ends:    phoneEnds,
	Brief:   briefTalk,
	Without: []string{cell.KeyB},
	With:    []string{cell.KeyDigits},
	Caller:  cell.A,
	Steps:   steps(registers(phoneEnds, cell.A), calls(phoneEnds, cell.A), talks(phoneEnds), presses(phoneEnds), hangsUp(phoneEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Press(cell.A)
		p.Converse(ctx, cell.A, toPhone)
		p.heard(cell.B)
	},
	Columns: phoneColumns(Column{"keys", []cell.Step{Keys}}),
})

// EarlyMediaToPhone is EarlyMedia by way of the PSTN gateway: the tone, or the announcement, of the
// telephone network.
var EarlyMediaToPhone = add(Flow{
	Key: "early-media-to-phone", Order: 51,
	Help:    "register, call a telephone through the PSTN gateway and hear it before it answers",
	Story:   "It registers and calls a telephone number; the gateway has a public address; it rings, with a session description and media at once (183), then answers; they talk, and one hangs up.",
	Ends:    phoneEnds,
	Brief:   briefTalk,
	Without: []string{cell.KeyB},
	Caller:  cell.A,
	Ring:    ringing,
	Steps:   steps(registers(phoneEnds, cell.A), ringsEarly(phoneEnds, calls(phoneEnds, cell.A)), talks(phoneEnds), hangsUp(phoneEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Converse(ctx, cell.A, toPhone)
	},
	Columns: phoneColumns(Column{"183", []cell.Step{Progress}}, Column{"early media", []cell.Step{EarlyRTPAToB, EarlyRTPBToA}}),
})

// phoneColumns are those of a call to a telephone, with some before the end of it.
func phoneColumns(more ...Column) []Column {
	all := []Column{
		{"register response", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"INVITE", []cell.Step{Invite}},
		{"200 to INVITE", []cell.Step{FinalResponse}},
		{"ACK, BYE", []cell.Step{Ack, Bye}},
		{"media", []cell.Step{RTPAToB, RTPBToA}},
		{"RTCP", []cell.Step{RTCPAToB, RTCPBToA}},
	}
	return append(all, more...)
}

// heard sees to it that an end that tells which keys it heard heard those that were pressed, or none.
func (p *Play) heard(side cell.Side) {
	h, ok := p.Ends[side].(stage.Hearer)
	if !ok {
		return
	}
	if keys := h.Heard(); keys != "" && keys != string(p.Cell.Digits) {
		p.fails(fmt.Errorf("%s heard the keys %q, and %q were pressed", p.Flow.Host(side), keys, p.Cell.Digits))
	}
}
