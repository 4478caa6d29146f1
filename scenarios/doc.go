// Package scenarios plays SIP flows through pairs of NATs and compares what
// happened with what theory predicts.
//
// It is for those who want to know which combination of NATs, port manager,
// registrar policy and media remedies works, and exactly why the others do not.
//
// One experiment is a [Cell]: a flow (register, call, pc-to-phone), the NAT in
// front of a and of b, and the remedies in use. A cell has a stable name,
//
//	call/stun[a=eim-apdf,b=apdm-apdf,registrar=received,rport=true,latch=both]
//
// which [Cell.ID] writes and [ParseID] reads. [Plan] expands [Axes] into cells.
// [Predict] is the oracle: it derives from the NATs' behaviours alone, without
// moving a packet, which step of the flow arrives and which box stops it by
// which rule if it does not. [Run] plays the cell in a virtual internet and
// observes the same from packets. [Judge] puts the two together: a predicted
// failure that fails for the predicted reason is as expected.
//
//	cell, err := scenarios.ParseID("call/stun[a=symmetric,b=none,registrar=received,rport=true]")
//	if err != nil { ... }
//	r := scenarios.Run(ctx, cell, scenarios.RunOptions{Seed: 1})
//	fmt.Println(r.Observed.Media, r.Expected) // a>b true
//
// # The steps
//
// Every flow is a list of steps ([Cell.Steps]), each with a [Fate] of its own:
// it arrived, it was lost (sent, and every copy dropped by somebody), or it was
// not sent, because of what was lost before or because its sender is silent.
// Steps after a failed registration are still attempted, so each has its own
// prediction and its own cause.
//
// # The theory
//
// Mapping and filtering are those of RFC 4787 §4.1 and §5; a side without a
// NAT, or with a port forward, counts as endpoint-independent in both. A
// response goes where RFC 3261 §18.2.2 or, with rport, RFC 3581 §4 sends it. A
// request goes to the Contact (RFC 3261 §16.6) or to where the REGISTER came
// from. Media goes to the announced address, or to where media came from if the
// sender latches (RFC 7362 §4). The rules stand at [Predict]'s parts in
// oracle_signalling.go and oracle_media.go; docs and tests hold the tables.
//
// A SIP ALG in the NATs ([Cell.ALG]) rewrites what an end announces before anybody reads
// it: oracle_alg.go says into what, and the rules above apply to the result.
//
// It is not a load generator, and it says nothing about NATs that change their
// behaviour, run out of ports or forget mappings while a flow is played: for those
// [PredictNATs] returns [ErrNotCovered] rather than a guess. [Devices] are those of the
// catalogue that it covers.
package scenarios
