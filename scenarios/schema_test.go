package scenarios

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios/cell"
)

// jsonSchema is as much of a JSON schema as the published one uses to describe
// the form of an object.
type jsonSchema struct {
	Type       string                `json:"type"`
	Ref        string                `json:"$ref"`
	Const      any                   `json:"const"`
	Required   []string              `json:"required"`
	Properties map[string]jsonSchema `json:"properties"`
	Enum       []string              `json:"enum"`
	Defs       map[string]jsonSchema `json:"$defs"`
}

// The published schema names exactly the fields that are written, requires those
// that always are, and lists the values of every axis.
func TestPublishedSchema(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "schema", "results-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s jsonSchema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if got := s.Properties["schema"].Const; got != Schema {
		t.Errorf("schema is %v, want %s", got, Schema)
	}
	for name, x := range map[string]struct {
		schema jsonSchema
		value  any
	}{
		"document": {s, Document{}},
		"cell":     {s.Defs["cell"], DocumentCell{}},
		"outcome":  {s.Defs["outcome"], DocumentOutcome{}},
		"step":     {s.Defs["step"], DocumentStep{}},
	} {
		fields, always := jsonFields(x.value)
		var described []string
		for f := range x.schema.Properties {
			described = append(described, f)
		}
		slices.Sort(described)
		slices.Sort(fields)
		if !slices.Equal(described, fields) {
			t.Errorf("%s: the schema has %v, the program writes %v", name, described, fields)
		}
		slices.Sort(always)
		slices.Sort(x.schema.Required)
		if !slices.Equal(always, x.schema.Required) {
			t.Errorf("%s: the schema requires %v, the program always writes %v", name, x.schema.Required, always)
		}
	}
	enum(t, "direction", s.Defs["direction"], []cell.Direction{cell.TwoWay, cell.OnlyAToB, cell.OnlyBToA, cell.OnlyBToC, cell.OnlyCToB, cell.NoWay})
	enum(t, "fate", s.Defs["fate"], []cell.Fate{cell.Arrived, cell.Lost, cell.NotSent})
	enum(t, "status", s.Defs["cell"].Properties["status"], []Status{Pass, Fail, NotCovered, Broken})
}

var rewrite = flag.Bool("rewrite", false, "write docs/schema/results-v1.json anew")

// What is published is what the values say.
func TestPublishedSchemaIsMadeFromTheValues(t *testing.T) {
	file := filepath.Join("..", "docs", "schema", "results-v1.json")
	want, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(want) {
		t.Fatalf("not JSON:\n%s", want)
	}
	if *rewrite {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("%s is not up to date (%v): make docs", file, err)
	}
}

// axisFields are the fields of a cell that its table of axes makes, all of them always there.
func axisFields() []string {
	names := []string{"flow"}
	for _, x := range cell.Axes {
		names = append(names, x.JSON)
	}
	return names
}

func jsonFields(v any) (all, always []string) {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			all, always = append(all, axisFields()...), append(always, axisFields()...)
			continue
		}
		all = append(all, name)
		if options != "omitempty" {
			always = append(always, name)
		}
	}
	return all, always
}

func enum[T ~string](t *testing.T, name string, s jsonSchema, want []T) {
	t.Helper()
	var words []string
	for _, w := range want {
		words = append(words, string(w))
	}
	if !slices.Equal(s.Enum, words) {
		t.Errorf("%s: the schema has %v, want %v", name, s.Enum, words)
	}
}
