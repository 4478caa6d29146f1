package scenarios

import (
	"encoding/json"
	"fmt"
	"io"
)

// Schema names the form of Document. Its JSON schema is docs/schema/results-v1.json.
const Schema = "natproof/results/v1"

// Document is a run in JSON. It has no wall-clock value: the same seed and
// cells give the same bytes.
type Document struct {
	Schema string         `json:"schema"`
	Seed   uint64         `json:"seed"`
	Cells  []DocumentCell `json:"cells"`
}

// DocumentCell is one Result in JSON.
type DocumentCell struct {
	ID          string           `json:"id"`
	Flow        Flow             `json:"flow"`
	A           string           `json:"a"`
	B           string           `json:"b"`
	PortManager PortManager      `json:"portManager"`
	Registrar   Registrar        `json:"registrar"`
	Rport       bool             `json:"rport"`
	Latch       Sides            `json:"latch"`
	Strict      Sides            `json:"strict"`
	Silent      Sides            `json:"silent"`
	FilterScope FilterScope      `json:"filterScope"`
	ALG         ALG              `json:"alg"`
	Predicted   *DocumentOutcome `json:"predicted,omitempty"`
	Observed    *DocumentOutcome `json:"observed,omitempty"` // absent if the cell could not be played
	Cause       string           `json:"cause"`
	Expected    bool             `json:"expected"`
	Steps       []DocumentStep   `json:"steps"`
	Error       string           `json:"error,omitempty"`
}

// DocumentOutcome is an Outcome without its steps. RTCP is absent where it was
// not judged.
type DocumentOutcome struct {
	Register   Verdict   `json:"register"`
	Signalling Verdict   `json:"signalling"`
	Media      Direction `json:"media"`
	RTCP       Direction `json:"rtcp,omitempty"`
}

// DocumentStep is one step, predicted and observed. Box, rule and cause are of
// what was observed; the predicted cause is there where it is another one.
type DocumentStep struct {
	Step           Step   `json:"step"`
	Predicted      Fate   `json:"predicted"`
	Observed       Fate   `json:"observed,omitempty"`
	Box            string `json:"box,omitempty"`
	Rule           Rule   `json:"rule,omitempty"`
	Cause          string `json:"cause,omitempty"`
	PredictedCause string `json:"predictedCause,omitempty"`
}

// NewDocument describes the results, in their order.
func NewDocument(seed uint64, results []Result) Document {
	d := Document{Schema: Schema, Seed: seed, Cells: make([]DocumentCell, 0, len(results))}
	for _, r := range results {
		d.Cells = append(d.Cells, documentCell(r))
	}
	return d
}

func documentCell(r Result) DocumentCell {
	c := r.Cell
	d := DocumentCell{
		ID: c.ID(), Flow: c.Flow, A: c.A, B: c.B, PortManager: c.PortManager,
		Registrar: c.Registrar, Rport: c.Rport, Latch: c.Latch, Strict: c.Strict, Silent: c.Silent,
		FilterScope: c.FilterScope,
		ALG:         c.ALG,
		Cause:       r.Cause,
		Expected:    r.Expected && r.Err == nil,
		Steps:       make([]DocumentStep, 0, len(r.Predicted.Steps)),
	}
	if len(r.Predicted.Steps) > 0 {
		d.Predicted = documentOutcome(r.Predicted)
	}
	if r.Err != nil {
		d.Error = r.Err.Error()
	} else {
		d.Observed = documentOutcome(r.Observed)
	}
	for _, p := range r.Predicted.Steps {
		o, _ := r.Observed.Step(p.Step)
		d.Steps = append(d.Steps, documentStep(p, o))
	}
	return d
}

func documentStep(p, o StepOutcome) DocumentStep {
	d := DocumentStep{
		Step: p.Step, Predicted: p.Fate, Observed: o.Fate,
		Box: o.Cause.Box, Rule: o.Cause.Rule, Cause: o.Cause.String(),
	}
	if !o.Cause.Same(p.Cause) {
		d.PredictedCause = p.Cause.String()
	}
	return d
}

func documentOutcome(o Outcome) *DocumentOutcome {
	return &DocumentOutcome{Register: o.Register, Signalling: o.Signalling, Media: o.Media, RTCP: o.RTCP}
}

// Encode writes the document as indented JSON with a final newline.
func (d Document) Encode(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("scenarios: encode results: %w", err)
	}
	return nil
}
