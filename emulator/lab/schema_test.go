package lab_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/natproof/natproof/emulator/lab"
)

var rewrite = flag.Bool("rewrite", false, "write docs/labs.md and the schemas of labs anew")

var published = map[string]func() ([]byte, error){
	"schema/lab-v1.json": lab.FileSchema, "schema/lab-result-v1.json": lab.ResultSchema,
	"labs.md": func() ([]byte, error) { return []byte(lab.Reference()), nil },
}

func document(name string) string { return filepath.Join("..", "..", "docs", filepath.FromSlash(name)) }

// What is published is what the types say.
func TestPublishedSchemaIsMadeFromTheValues(t *testing.T) {
	for name, of := range published {
		want, err := of()
		if err != nil {
			t.Fatal(err)
		}
		if *rewrite {
			if err := os.WriteFile(document(name), want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(document(name)); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not up to date (%v): make docs", name, err)
		}
	}
}

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(document(name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is YAML as a validator wants it.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Every example is as the schema says, and so is what is written of it.
func TestExamplesAreAsTheSchemaSays(t *testing.T) {
	file, result := compiled(t, "schema/lab-v1.json"), compiled(t, "schema/lab-result-v1.json")
	for _, name := range examples(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Validate(asJSON(t, string(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, err := lab.Load(filepath.Join("..", "..", "examples", "labs", "lost-ack.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(played(t, f, lab.Options{}).Document())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := result.Validate(v); err != nil {
		t.Error(err)
	}
}

// What the parser refuses for its form the schema refuses too.
func TestSchemaRefuses(t *testing.T) {
	schema := compiled(t, "schema/lab-v1.json")
	for _, x := range []struct{ name, old, new string }{
		{"an unknown key", "title: idle", "title: idle\ncolour: red"},
		{"an unknown key of a NAT", "external: 198.51.100.1", "external: 198.51.100.1, extern: 1"},
		{"no title", "title: idle\n", ""},
		{"a time without a unit", "at: 0s", "at: 5"},
		{"an unknown action", "register: alice", "registers: alice"},
		{"two actions", "register: alice", "register: alice, call: alice"},
		{"a word that is none", "policy: received", "policy: receive"},
		{"a kind that is none", "kind: registrar", "kind: registar"},
		{"an unknown expectation", "unanswered: bob", "unaswered: bob"},
	} {
		bad := strings.Replace(small, x.old, x.new, 1)
		if bad == small {
			t.Fatalf("%s: nothing was replaced", x.name)
		}
		if schema.Validate(asJSON(t, bad)) == nil {
			t.Errorf("%s: the schema takes it", x.name)
		}
		if _, err := lab.Parse("x.yaml", []byte(bad)); err == nil {
			t.Errorf("%s: the parser takes it", x.name)
		}
	}
	if err := schema.Validate(asJSON(t, small)); err != nil {
		t.Error(err)
	}
}
