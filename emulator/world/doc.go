// Package world is the internet around a real program: behind one NAT or two, with a registrar and proxy, a STUN
// server (RFC 5780), a PSTN gateway, a phone that answers and sends back what it hears, and a DNS server that knows
// their names. It is what natproof exec runs a program in.
//
//	w, err := world.New(world.Config{NAT: nat, OnEvent: drops.Add})
//	...
//	defer w.Close()
//	c := w.Program.Command("baresip", "-f", "conf")
//	c.Env = append(os.Environ(), w.Env()...)
//	err = c.Run()
//
// The servers are those of the matrix, on native hosts of the lab; the program is in a network namespace (package
// emulator). The gateway answers every number, and the phone echo every call. Without a password anybody may register
// as anybody.
//
// Addresses are fixed: those of scenarios/cell. It is IPv4 only.
package world
