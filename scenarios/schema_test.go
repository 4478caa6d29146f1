package scenarios

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// jsonSchema is as much of a JSON schema as the published one uses to describe
// the form of an object.
type jsonSchema struct {
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
	cell := s.Defs["cell"].Properties
	enum(t, "flow", cell["flow"], Flows())
	enum(t, "portManager", cell["portManager"], PortManagers())
	enum(t, "registrar", cell["registrar"], Registrars())
	enum(t, "sides", s.Defs["sides"], SideSets())
	enum(t, "silent", cell["silent"], SilentSets())
	enum(t, "filterScope", cell["filterScope"], FilterScopes())
	enum(t, "direction", s.Defs["direction"], []Direction{TwoWay, OnlyAToB, OnlyBToA, NoWay})
	enum(t, "fate", s.Defs["fate"], []Fate{Arrived, Lost, NotSent})
	enum(t, "step", s.Defs["step"].Properties["step"], DefaultCell(FlowCall, NoNAT, NoNAT).Steps())
}

func jsonFields(v any) (all, always []string) {
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
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
