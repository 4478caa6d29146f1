// Package catalogue names NATs: presets that stand for a behavior (full-cone, eim-apdf),
// devices and services with where each fact about them is from (linux-masquerade,
// aws-nat-gateway), and files of one's own.
//
//	model, err := catalogue.Lookup("port-restricted")
//	model, err = catalogue.Vary(model, "idle 30s")
//	mine, err := catalogue.Lookup("./my-nat.txt")
//
// The presets follow RFC 4787 in everything and differ in mapping, filtering and port choice
// alone. full-cone is eim-eif, address-restricted eim-adf, port-restricted eim-apdf,
// symmetric apdm-apdf; none is a router.
//
// # The settings notation
//
// One line says one thing: a word, and what it is set to. A line that begins with # is a
// comment; behind a setting, # begins one too.
//
//	name     hotel
//	title    the NAT of the hotel in Vienna
//	like     port-restricted     # or a kind: translator, nat64, conntrack, firewall,
//	                             # router, prefix-translator
//	idle     30s
//	hairpin  off
//
//	fact measured: udp timers
//	  source natproof discover, in the lobby
//
// The kind comes before the settings; which there are, and what each is, prints natproof nat
// show, in this notation. The word default takes a setting back. What follows name, title,
// observed (what the facts were seen on), beyond (what the device does that the settings do
// not), source and url is text to the end of the line. A fact has a confidence (guess, low,
// medium, high, measured) and aspects (mapping, filtering, ports, hairpin, udp timers, tcp
// timers, limits).
//
// Nothing is accepted and ignored: what means nothing, is said twice or does not go together
// is a [SyntaxError] with line and column.
//
// # A new device
//
// is a file in devices: its number is its place in the list. A source that says "not read
// again" is known by its title alone; one "as quoted" was read where somebody else gives its
// words.
package catalogue
