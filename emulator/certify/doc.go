// Package certify learns what a phone does from its packets, says behind which NATs it works, why
// not behind the others, and what the smallest change is with which it would.
//
//	c, err := certify.Certify(ctx, yourPhone, certify.Options{})
//	if err == nil {
//		err = report.Certificate(os.Stdout, c, report.Options{})
//	}
//
// yourPhone is a stage.Phone, which makes endpoints on hosts of a lab; it need not say what its
// traits are. Four things are done with it:
//
//   - It is looked at in labs without and with a NAT (Learn): what it writes into Via, Contact and
//     session descriptions, whether it asks for rport, where it sends media when that of the other
//     end moves, what it makes of a Via that is not its own, what it sends when nobody wants anything
//     of it, and so on. Each [Finding] names the packet that shows it; what cannot be learned is said,
//     with what is assumed instead, and so is what there is no theory of.
//   - What becomes of it is predicted behind every NAT of the catalogue, from what was learned.
//   - Some cells are played, all of them if wanted, and compared with that.
//   - Of each that fails the smallest changes are found (package neighbour).
//
// The wire is all that is looked at: of a phone in Go no method is asked for more than to register,
// to call and to hang up. What only an endpoint can know, such as that it drops media from
// elsewhere, is told by its reports (RFC 3550 §6.4) or not at all.
//
// It is not a test of conformance, and it learns nothing of codecs, encryption, TCP or IPv6.
package certify
