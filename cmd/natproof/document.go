package main

import (
	"encoding/json"
	"io"

	"github.com/natproof/natproof/calibrate"
	"github.com/natproof/natproof/discover"
)

// The names of the forms of JSON.
const (
	discoverSchema = "natproof/discover/v1"
	probeSchema    = "natproof/probe/v1"
	sipSchema      = "natproof/sip-probe/v1"
)

// discoverDocument is a report of natproof discover in JSON. Durations are in
// nanoseconds.
type discoverDocument struct {
	Schema string `json:"schema"`
	discover.Report
}

// sipDocument is a report of natproof discover --sip in JSON.
type sipDocument struct {
	Schema string `json:"schema"`
	discover.SIPReport
}

// probeDoc is a result of natproof nat probe in JSON.
type probeDoc struct {
	Schema     string          `json:"schema"`
	NAT        string          `json:"nat"`
	Agrees     bool            `json:"agrees"`
	Properties []probeProperty `json:"properties"`
	Report     discover.Report `json:"report"`
}

type probeProperty struct {
	calibrate.Property
	Verdict calibrate.Verdict `json:"verdict"`
}

func probeDocument(r calibrate.Result) probeDoc {
	d := probeDoc{Schema: probeSchema, NAT: r.Name, Agrees: r.Agrees(), Report: r.Report}
	for _, p := range r.Properties {
		d.Properties = append(d.Properties, probeProperty{p, p.Verdict()})
	}
	return d
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
