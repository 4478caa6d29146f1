// Package lab plays a lab from a file: its sites, NATs, links, servers and phones, a script of what
// happens to them, and what is expected to come of it.
//
// It is for whoever has a network of his own in mind, or a report from the field, and wants to see it
// happen: packet by packet, again and again, the same each time.
//
//	f, err := lab.Load("idle-phone.yaml")
//	r, err := f.Play(ctx, lab.Options{})
//	for _, v := range r.Verdicts {
//		fmt.Println(v.Holds, v.Says, v.Saw, v.Cause)
//	}
//
// # A file
//
//	title: an idle phone loses its mapping
//	nats:
//	  nat: {model: linux-masquerade, external: 198.51.100.1}
//	sites:
//	  home: {prefix: 10.0.0.0/24, behind: nat, hosts: {alice: 10.0.0.2}}
//	  public: {prefix: 203.0.113.0/24, link: latency=10ms, hosts: {proxy: 203.0.113.10, bob: 203.0.113.40}}
//	servers:
//	  proxy: {kind: registrar, policy: received}
//	endpoints:
//	  alice: {rport: true}
//	  bob: {}
//	script:
//	  - {at: 0s, register: alice}
//	  - {idle: 20m}
//	  - {call: bob, to: alice}
//	expect:
//	  - {unanswered: bob, status: 408}
//	  - {drop: nat, reason: expired, of: INVITE}
//
// The types of this package say what may be in it, from [File] down; docs/schema/lab-v1.json is made
// from them, and examples/labs has a file for each of the commonest reports from the field. A server or
// endpoint is on the host of its own name unless it says otherwise. Steps are at a time since the script
// began, or after the step before. NATs are those of package catalogue, links those of
// [vnet.ParseLinkConfig] and [vnet.LinkPreset].
//
// Nothing is accepted and ignored: the error of [Load] and [Parse] is [Problems], each with file, line,
// column and the line itself.
//
// # Time
//
// A lab plays in virtual time, in a bubble: an hour takes a moment, and one seed gives one result, to
// the byte. The same file plays on the real clock too, and one with a real program plays there only.
//
// A program is run by [Programs]; [Emulated] does so in a network namespace of Linux, by package emulator. It
// finds the others by name and in variables that begin with NATPROOF_.
//
// # Judging
//
// What is expected is judged by what was seen on the wire, and by what an endpoint tells where only it
// can know. Of what does not hold the verdict names the cause: which box dropped which packet under which
// rule, who refused, or what the endpoint said.
//
// # What it is not
//
// No theory: package scenarios predicts cells, and a lab is none. Package report shows a [Result], package
// watch a lab while it plays.
package lab
