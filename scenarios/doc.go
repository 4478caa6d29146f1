// Package scenarios plays SIP flows through pairs of NATs and compares what
// happened with what theory predicts.
//
// It is for those who want to know which combination of NATs, port manager,
// registrar policy and media remedies works, and exactly why the others do not.
//
// One experiment is a [cell.Cell]: a flow, the NAT in front of a and of b, and the remedies
// in use. A cell has a stable name,
//
//	call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]
//
// which its ID writes and [ParseID] reads. [Plan] expands a choice of values into cells.
// [Predict] derives from the NATs' behaviours alone, without moving a packet, which step of
// the flow arrives and which box stops it by which rule if it does not. [Run] plays the cell
// in a virtual internet; [Observe] says what happened from the packets. [Judge] puts the two
// together: a predicted failure that fails for the predicted reason is as expected.
//
//	cell, err := scenarios.ParseID("call/stun[a=symmetric,b=none,registrar=received,rport=true]")
//	if err != nil { ... }
//	r := scenarios.Run(ctx, cell, scenarios.RunOptions{Seed: 1})
//	fmt.Println(r.Observed.Media, r.Expected) // a>b true
//
// # Your own phone
//
// [RunOptions.Phones] puts other endpoints at the ends: see [stage.Phone] and the example in
// examples/plain. They are judged by what they send and get, and predicted by their traits.
// [RunOptions.Proxy] puts another registrar and proxy in the place of this project's.
//
// # The rooms below
//
// [cell] has the words and the table of axes, [theory] the questions and their answers,
// [flows] what is played, [stage] the world in which it is, [wire] how it is told from
// packets.
//
// # The steps
//
// Every flow is a list of steps, each with a fate of its own:
// it arrived, it was lost (sent, and every copy dropped by somebody), or it was
// not sent, because of what was lost before or because its sender is silent.
// Steps after a failed registration are still attempted, so each has its own
// prediction and its own cause.
//
// It is not a load generator. What it would have to guess, such as what becomes of a flow through
// a NAT that runs out of ports, it does not say: [Predict] returns [theory.ErrNotCovered].
// [Devices] are those of the catalogue that it covers.
package scenarios
