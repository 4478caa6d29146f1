// Package text is the one rule for control characters in values of SDP, SIP and
// STUN: whoever reads a value refuses it or drops them, whoever writes one never
// puts any on the wire, so that what is written reads back the same.
//
//	if err := text.Value(reason); err != nil { ... } // errors.Is(err, text.ErrControl)
//	conn.Write([]byte(text.Strip(reason)))
//	fmt.Println(text.Printable(reason))
//
// The three formats end a value at the end of a line or at a length, and differ in
// what else they let stand in it:
//
//   - RFC 8866 §9: a byte-string has no NUL, CR or LF ([Bytes]).
//   - RFC 3261 §25.1: TEXT-UTF8 and LWS leave no control character but HTAB; a
//     quoted-pair within a quoted-string may hide any but CR and LF.
//   - RFC 8489 §14: strings are UTF-8, USERNAME and REALM by RFC 8265, whose
//     FreeformClass has no control characters.
//
// [Value] is what all of them allow: no control character of ASCII but HTAB.
//
// It is not a parser: it knows nothing of lines, headers and attributes.
package text
