package theory

// Address is how an end knows an address that it writes into a message.
type Address uint8

const (
	// Bound is the address its socket is bound to.
	Bound Address = iota
	// Asked is what a STUN server saw of that socket.
	Asked
	// Forwarded is a port forward that was set up for it on the NAT.
	Forwarded
)

// Traits are what of an end bears on NATs: what it writes, and what it does with what it
// gets. The zero value is a phone that knows nothing of NATs, sends media and checks nothing.
// Each trait is declared beside the rules that it has a part in.
type Traits struct {
	Address Address // in Via, Contact and session descriptions
	SignallingTraits
	MediaTraits
}
