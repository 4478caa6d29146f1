package scenarios

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"text/template"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

//go:embed schema.json.tmpl
var schemaText string

// JSONSchema is the JSON schema of Document, with the flows, steps and axes that there are.
// docs/schema/results-v1.json is a copy of it.
func JSONSchema() ([]byte, error) {
	t, err := template.New("schema").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	}}).Parse(schemaText)
	if err != nil {
		return nil, fmt.Errorf("scenarios: schema: %w", err)
	}
	var steps []string
	for _, f := range flows.All() {
		for _, s := range f.Steps {
			if !slices.Contains(steps, s.Name) {
				steps = append(steps, s.Name)
			}
		}
	}
	var b bytes.Buffer
	err = t.Execute(&b, map[string]any{"Flows": Space().FlowNames(), "Axes": cell.Axes, "Steps": steps})
	return b.Bytes(), err
}
