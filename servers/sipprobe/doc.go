// Package sipprobe answers those who look for a SIP ALG on the way: 'natproof discover --sip',
// package discover. The answer tells how the question arrived, byte by byte.
//
// It must be asked where SIP is spoken, since that is where an ALG looks: Beside takes the
// questions out of a socket that is another server's.
//
//	probe := sipprobe.New(sipprobe.Config{})
//	srv, err := registrar.New(probe.Beside(conn, netip.AddrPort{}), cfg)
//
// Serve answers on a socket of its own, where a port other than 5060 shows an ALG that looks at
// all of them. A question is an OPTIONS, REGISTER or INVITE with a Call-ID that begins with
// "natproof-probe-"; it changes nothing here, and is answered to where it came from. An answer is
// never longer than its question.
package sipprobe
