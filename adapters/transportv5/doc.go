// Package transportv5 puts users of pion/transport v5 on a host of natproof.
//
// A vnet.Host is a transport.Net of transport v3. pion/webrtc takes one of v5
// from version 4.2.21, pion/ice from 4.4.3, pion/turn from 5.1.2. (For
// earlier ones there is package transportv4.)
//
//	var settings webrtc.SettingEngine
//	settings.SetNet(transportv5.Net(host))
//	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings))
//
// Peers of that api live in a bubble unchanged, DTLS included: webrtc judges a
// peer's certificate by its fingerprint (RFC 8122 section 5) and its own by
// NotAfter, so a clock that starts in 2000 is no matter to it. Close peers
// before the bubble ends.
//
// It is a module of its own, so that natproof does not inherit what it is for.
// Whoever requires it gets the pion/webrtc of its tests at least, v4.2.26.
// Its code is that of transportv4 with another number; `make adapters` holds them equal.
package transportv5
