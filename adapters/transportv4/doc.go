// Package transportv4 puts users of pion/transport v4 on a host of natproof.
//
// A vnet.Host is a transport.Net of transport v3. pion/webrtc takes one of v4
// from version 4.2.2 to 4.2.20, pion/ice from 4.2.0 to 4.4.2, pion/turn from
// 4.1.4 to 5.1.1. (Earlier ones take a host as it is, later ones package
// transportv5.)
//
//	var settings webrtc.SettingEngine
//	settings.SetNet(transportv4.Net(host))
//	api := webrtc.NewAPI(webrtc.WithSettingEngine(settings))
//
// Peers of that api live in a bubble unchanged, DTLS included: webrtc judges a
// peer's certificate by its fingerprint (RFC 8122 section 5) and its own by
// NotAfter, so a clock that starts in 2000 is no matter to it. Close peers
// before the bubble ends.
//
// It is a module of its own, so that natproof does not inherit what it is for.
// Whoever requires it gets the pion/webrtc of its tests at least, v4.2.20.
package transportv4
