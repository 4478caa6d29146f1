// Package serve puts the servers of this module together for other people's labs, on sockets of
// the host: registrar and proxy, STUN server, PSTN gateway, the other end of a search for SIP
// ALGs, and metrics. It is what 'natproof serve' runs.
//
//	values, err := serve.ReadFile(name, text) // YAML; flags are values too
//	cfg, err := serve.Build(values)
//	srv, err := serve.New(cfg, serve.NewLogger(os.Stderr, cfg))
//	err = srv.Serve(ctx, context.Background()) // until ctx ends; then it shuts down
//
// Settings is the one table of what can be configured, from which flags, keys, defaults and help
// come. What is wrong in a file is told with line, column and a caret.
//
// # On a network that is not a lab
//
// Each source has a token bucket for each server (package limit). A panic over a datagram is
// counted and logged with the datagram, and the rest is served. Audio of a call is not
// limited; calls are, by their number.
//
// When it is stopped, calls of the gateway get a BYE, ringing ones 503, and subscriptions end
// unless they are kept in a store. Calls through the proxy are their ends' own and go on.
//
// # Metrics
//
// Every counter of the servers, by the name it has there: natproof_registrar_..., natproof_stun_...,
// natproof_gateway_..., natproof_sip_probe_..., natproof_limit_.... What became of datagrams is one
// metric with a label for the outcome: the sum is how many there were.
//
// # What it is not
//
// UDP only. No TLS, and none on the metrics: serve them on a loopback or inner address.
package serve
