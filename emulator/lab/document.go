package lab

import "strings"

// Schema names the form of a result in JSON.
const Schema = "natproof/lab-result/v1"

// Document is a result in JSON. Times are in seconds since the script began.
type Document struct {
	Schema       string            `json:"schema" doc:"the form of this document"`
	Title        string            `json:"title" doc:"what the lab shows"`
	Story        string            `json:"story" doc:"what happens in it and why; empty if the file does not say"`
	Seed         uint64            `json:"seed" doc:"the seed of everything random"`
	Clock        string            `json:"clock" doc:"virtual or real"`
	Lasted       float64           `json:"lasted" doc:"how long the lab went on"`
	Ended        bool              `json:"ended" doc:"before its time: nothing is judged"`
	Holds        bool              `json:"holds" doc:"everything is as expected, and every step could be done"`
	Lines        []DocumentLine    `json:"lines" doc:"what happened"`
	Drops        []DocumentDrop    `json:"drops" doc:"what was dropped"`
	Expectations []DocumentVerdict `json:"expectations" doc:"what came of each expectation"`
	Failures     []DocumentLine    `json:"failures" doc:"steps that could not be done"`
	Programs     []DocumentSaid    `json:"programs" doc:"what each program has said"`
}

// DocumentDrop are packets that are alike and were dropped at one place for one reason.
type DocumentDrop struct {
	Box         string  `json:"box" doc:"where: a NAT, a host, the link of a site or NAT, or a realm"`
	Message     string  `json:"message" doc:"what: a SIP method or status, RTP, RTCP, STUN and so on"`
	Source      string  `json:"source" doc:"address and port, as it was dropped"`
	Destination string  `json:"destination" doc:"address and port, as it was dropped"`
	Reason      string  `json:"reason" doc:"the rule"`
	Detail      string  `json:"detail" doc:"of the first, a plain sentence"`
	Packets     int     `json:"packets" doc:"how many"`
	First       float64 `json:"first" doc:"when the first was dropped"`
	Last        float64 `json:"last" doc:"when the last was dropped"`
}

// DocumentSaid is the end of what a program has written to stdout and stderr.
type DocumentSaid struct {
	Who  string `json:"who" doc:"the program"`
	Text string `json:"text" doc:"its last lines, with | between them"`
}

// DocumentLine is one thing that happened.
type DocumentLine struct {
	At   float64 `json:"at" doc:"when"`
	Kind string  `json:"kind" doc:"step: of the script; told: by an endpoint or server; drop: of packets"`
	Who  string  `json:"who" doc:"the endpoint, server, NAT, host or link"`
	Text string  `json:"text" doc:"what"`
}

// DocumentVerdict is what came of an expectation.
type DocumentVerdict struct {
	Line  int      `json:"line" doc:"where it stands in the lab file"`
	Says  string   `json:"says" doc:"what was expected"`
	Holds bool     `json:"holds" doc:"whether it is so"`
	Saw   string   `json:"saw" doc:"what happened"`
	Cause []string `json:"cause" doc:"why it does not hold, or what is behind it"`
}

// Document is the result as it is written in JSON.
func (r *Result) Document() Document {
	d := Document{
		Schema: Schema, Title: r.Title, Story: r.Story, Seed: r.Seed, Clock: r.Clock.String(), Lasted: r.Lasted.Seconds(), Ended: r.Ended, Holds: r.Holds(),
		Lines: lines(r.Lines), Failures: lines(r.Failures), Expectations: []DocumentVerdict{}, Programs: []DocumentSaid{}, Drops: []DocumentDrop{},
	}
	for _, x := range r.Drops {
		d.Drops = append(d.Drops, DocumentDrop{
			Box: x.Box, Message: x.Message, Source: x.Src.String(), Destination: x.Dst.String(), Reason: string(x.Reason),
			Detail: strings.ToValidUTF8(x.Detail, "?"), Packets: x.Packets, First: x.First.Seconds(), Last: x.Last.Seconds(),
		})
	}
	for _, x := range r.Said {
		d.Programs = append(d.Programs, DocumentSaid(x))
	}
	for _, v := range r.Verdicts {
		d.Expectations = append(d.Expectations, DocumentVerdict{Line: v.Line, Says: v.Says, Holds: v.Holds, Saw: v.Saw, Cause: append([]string{}, v.Cause...)})
	}
	return d
}

func lines(all []Line) []DocumentLine {
	d := make([]DocumentLine, len(all))
	for i, l := range all {
		d[i] = DocumentLine{At: l.At.Seconds(), Kind: string(l.Kind), Who: l.Who, Text: strings.ToValidUTF8(l.Text, "?")}
	}
	return d
}

// String is "virtual", "real" or "either".
func (c Clock) String() string { return [...]string{"either", "virtual", "real"}[c] }
