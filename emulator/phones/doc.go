// Package phones are programs that are SIP phones, as endpoints of the lab: each sits in a network
// namespace of its own behind a NAT of the lab, and is told to register, to call and to hang up.
//
//	phone := phones.Baresip(phones.Config{})
//	c, err := certify.Certify(ctx, phone, certify.Options{})
//
// A phone of this package is a stage.Phone and goes wherever one goes: into a certificate, or into
// cells by scenarios.RunOptions. What has such a phone in it is played on the real clock, on Linux,
// with the rights that package emulator needs. Traits are not declared: they are for package certify to
// learn.
//
// Which programs there are is the list that [Known] has. What is not on it is driven by [Program],
// which starts it with arguments and an environment that say where it is, and has it call by another
// command, or not at all.
package phones
