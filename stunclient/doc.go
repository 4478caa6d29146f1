// Package stunclient runs STUN client transactions (RFC 8489) over a socket
// that somebody else reads.
//
// It is for programs whose sockets carry other things beside STUN - SIP, RTP -
// and that want to know how the very socket they use is mapped. The client
// writes to the socket; whoever reads it hands what looks like STUN to Handle:
//
//	client := stunclient.New(conn, stunclient.Options{})
//	go func() {
//		buf := make([]byte, 2048)
//		for {
//			n, from, err := conn.ReadFrom(buf)
//			if err != nil {
//				client.Close()
//				return
//			}
//			if !client.Handle(buf[:n], from) {
//				handleMedia(buf[:n], from)
//			}
//		}
//	}()
//	response, err := client.Binding(ctx, server)
//	fmt.Println(response.Address()) // this socket, seen from the server
//
// A client has no goroutine of its own: Binding waits on its caller's, and any
// number of calls may run at once. Who has no reader uses Conn, which has one
// and is a net.PacketConn for everything that is not STUN.
//
// Requests are retransmitted as RFC 8489 section 6.2.1 says: with the default
// options at 0, 500, 1500, 3500, 7500, 15500 and 31500 ms, and the transaction
// fails with ErrTimeout at 39500 ms. Legacy does the same in the manner of RFC
// 3489. Attributes of RFC 5780 for requests (attr.ChangeRequest,
// attr.ResponsePort, attr.Padding) are in package stunclient/attr.
//
// Errors can be told apart: ErrTimeout, ErrBadResponse, ErrUnknownAttributes,
// *ErrorResponse for what a server refused, net.ErrClosed, and the context's.
//
// It is not an ICE agent and not a TURN client, knows no TCP, looks no server
// up in the DNS, and authenticates neither itself nor the server: attributes
// for that can be added with pion's setters, and the whole response is in
// Response.Message.
package stunclient
