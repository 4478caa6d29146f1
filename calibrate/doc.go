// Package calibrate measures NAT models with a client that does not know them,
// and compares what it found with what they are configured to be.
//
// A model is worth what it predicts. Here a configuration of package natmodels
// is put between a host and a STUN server in a virtual internet, the discovery
// client of package discover runs on the host under virtual time, and each
// property is laid side by side: configured, measured, and where the two differ
// why the client could not have seen it.
//
//	nat, _ := catalogue.Lookup("port-restricted")
//	result, err := calibrate.Measure("port-restricted", nat, natmodels.Place{})
//	for _, p := range result.Properties {
//		fmt.Println(p.Name, p.Configured, p.Measured, p.Verdict(), p.Reason)
//	}
//
// A reason is no excuse: it names the one thing that a client in that place sees
// instead, and anything else is a disagreement.
//
// Cases lists what is calibrated: every named NAT and every value of every
// setting that a client can see over UDP. Markdown writes the table that
// docs/calibration.md has.
//
// The tests are those of RFC 5780, the tree of RFC 3489 section 10.1, and a few
// of its own that need a second host behind the NAT (two hosts on one port,
// pooling). It does not measure TCP, ICMP, payload rewriting or limits, and only
// IPv4.
package calibrate
