// Package bubble runs a function under virtual time.
//
// Inside a bubble time.Now, timers and deadlines follow a clock that moves
// only when every goroutine of the bubble is blocked, and then jumps straight
// to the next timer. A 32 second SIP timeout costs microseconds, and ordinary
// code (sipgo, pion, net/http) needs no change to live there. It is
// testing/synctest, made usable from an ordinary program:
//
//	err := bubble.Run(func() {
//		time.Sleep(time.Hour) // returns at once
//	})
//
// Make assertions on what Run leaves behind, never inside it: t.Fatal ends the
// goroutine, which is ErrExit. Everything the function starts must have ended
// when it returns: a goroutine that is left blocked is an error of that run,
// and the error names it.
//
// # What must stay outside
//
// A goroutine that waits for something outside of the bubble (a real socket, a
// lock or a channel made elsewhere) counts as running, so virtual time stands
// still, for ever if what it waits for needs virtual time. After a while on the
// real clock (Config.Patience) Run gives up and the error names the goroutine and
// what it waits for.
//
// It is not a sandbox: a panic on another goroutine of the bubble ends the
// process, as it does everywhere in Go.
//
// # sipgo in a bubble
//
// sipgo opens a socket of the operating system's for a request, unless it has a
// connection with the address that the client names. So name it, and have the
// connection registered before the first request:
//
//	agent, err := sipgo.NewUA()
//	server, err := sipgo.NewServer(agent)
//	client, err := sipgo.NewClient(agent, sipgo.WithClientConnectionAddr("10.0.0.2:5060"))
//	conn, err := host.ListenPacket("udp4", "10.0.0.2:5060") // of a vnet.Host
//	go server.ServeUDP(conn)
//	bubble.Wait() // until the listener is registered
//	res, err := client.Do(ctx, req)
//
// At the end close the agent and the socket, so that no goroutine is left.
package bubble
