package flows

import (
	"context"

	"github.com/natproof/natproof/scenarios/cell"
)

// PCToPhone is a call to a telephone: b is the PSTN gateway, which has a public address.
// Latch, strict and silent of b are the gateway's.
var PCToPhone = add(Flow{
	Key: "pc-to-phone", Order: 30,
	Help:    "register, then call a telephone through the PSTN gateway",
	Story:   "It registers and calls a telephone number; the gateway has a public address; a hangs up.",
	Ends:    phoneEnds,
	Without: []string{cell.KeyB},
	Caller:  cell.A,
	Brief:   briefTalk,
	Steps:   steps(registers(phoneEnds, cell.A), calls(phoneEnds, cell.A), talks(phoneEnds), hangsUp(phoneEnds, cell.A)),
	Play: func(ctx context.Context, p *Play) {
		p.Register(ctx, cell.A)
		p.Converse(ctx, cell.A, "sip:"+cell.PhoneNumber+"@"+cell.Domain+";user=phone")
	},
	Columns: []Column{
		{"register response", []cell.Step{RegisterRequest(cell.A), RegisterResponse(cell.A)}},
		{"INVITE", []cell.Step{Invite}},
		{"200 to INVITE", []cell.Step{FinalResponse}},
		{"ACK, BYE", []cell.Step{Ack, Bye}},
		{"media", []cell.Step{RTPAToB, RTPBToA}},
		{"RTCP", []cell.Step{RTCPAToB, RTCPBToA}},
	},
})

var phoneEnds = map[cell.Side]End{cell.A: {Box: cell.BoxA}, cell.B: {Box: cell.BoxGateway, Says: "-"}}
