package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/natproof/natproof/calibrate"
	"github.com/natproof/natproof/discover"
	"github.com/natproof/natproof/emulator/certify"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// Everything that is written as JSON is as its published schema says.
func TestSchemas(t *testing.T) {
	var results bytes.Buffer
	played := scenarios.NewDocumentWriter(&results, 1)
	for _, id := range []string{
		"call/stun[a=symmetric,b=linux-masquerade]", "register/stun[a=full-cone,alg=full]", "pc-to-phone/local[a=symmetric,alg=stale-length]",
	} {
		c, err := scenarios.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		played.Add(scenarios.Run(t.Context(), c, options(1, false)))
	}
	if err := played.Close(); err != nil {
		t.Fatal(err)
	}
	cfg, err := catalogue.Lookup("symmetric")
	if err != nil {
		t.Fatal(err)
	}
	measured, err := calibrate.Measure("symmetric", cfg, natmodels.Place{})
	if err != nil {
		t.Fatal(err)
	}
	certified, err := certify.Certify(t.Context(), certify.UA(cell.Default(flows.Call, cell.NoNAT, cell.NoNAT)), certify.Options{Choice: cell.Choice{"registrar": {"contact"}}})
	if err != nil {
		t.Fatal(err)
	}
	var probe, report, nothing, certificate, sip, noSIP bytes.Buffer
	searched := discover.SIPReport{Kind: "full", Notes: []string{"a note"}, Probes: []discover.SIPProbe{{
		Method: "OPTIONS", Status: 200, Out: []discover.SIPChange{{Line: "Via", Sent: "a", Arrived: "b"}}, Back: []discover.SIPChange{},
	}}}
	for buffer, document := range map[*bytes.Buffer]any{
		&probe:       probeDocument(measured),
		&report:      discoverDocument{discoverSchema, measured.Report},
		&nothing:     discoverDocument{Schema: discoverSchema},
		&certificate: certified.Document(),
		&sip:         sipDocument{sipSchema, searched},
		&noSIP:       sipDocument{Schema: sipSchema},
	} {
		if err := writeJSON(buffer, document); err != nil {
			t.Fatal(err)
		}
	}
	for name, x := range map[string]struct {
		schema   string
		document *bytes.Buffer
	}{
		"results":                     {"results-v1.json", &results},
		"probe":                       {"probe-v1.json", &probe},
		"discover":                    {"discover-v1.json", &report},
		"certificate":                 {"certificate-v1.json", &certificate},
		"discover, with nothing done": {"discover-v1.json", &nothing},
		"sip":                         {"sip-probe-v1.json", &sip},
		"sip, with nothing done":      {"sip-probe-v1.json", &noSIP},
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schema", x.schema))
			if err != nil {
				t.Fatal(err)
			}
			document, err := jsonschema.UnmarshalJSON(x.document)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(document); err != nil {
				t.Error(err)
			}
		})
	}
}

// The schema of a report lists every test there is.
func TestSchemaListsEveryTest(t *testing.T) {
	for _, file := range []string{"discover-v1.json", "probe-v1.json"} {
		compiler := jsonschema.NewCompiler()
		schema, err := compiler.Compile(filepath.Join("..", "..", "docs", "schema", file+"#/$defs/test"))
		if err != nil {
			t.Fatal(err)
		}
		var listed []string
		for _, v := range schema.Enum.Values {
			listed = append(listed, v.(string))
		}
		var tests []string
		for _, v := range discover.Tests() {
			tests = append(tests, string(v))
		}
		slices.Sort(listed)
		slices.Sort(tests)
		if !slices.Equal(listed, tests) {
			t.Errorf("%s has %s, want %s", file, strings.Join(listed, ", "), strings.Join(tests, ", "))
		}
	}
}
