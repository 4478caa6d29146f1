// Package sipprobe is what package discover and servers/sipprobe say to each other to find a SIP
// ALG: a question that looks like SIP of a phone, and an answer that tells how it arrived.
//
//	question := sipprobe.Question{Method: "OPTIONS", Server: server, Written: local, ID: "1"}.Bytes()
//	...
//	answer := sipprobe.Answer(arrived, sipprobe.Seen{Source: from, Server: self}) // there
//	...
//	r, err := sipprobe.Read(arrived) // r.Question is what arrived there, r.Sent what left there
//	changes := sipprobe.Compare(question, r.Question)
//
// An answer has the question as it arrived in an attribute of its body, compressed and in base 64,
// which no ALG can make out. All else of an answer follows from that and from Seen, so that
// who asked can make it again as it was sent.
//
// An answer is never longer than its question, so that nobody is worth inventing an address
// for; a question has filling for that.
package sipprobe
