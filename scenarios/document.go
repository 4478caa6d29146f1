package scenarios

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/natproof/natproof/scenarios/cell"
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

// DocumentCell is one Result in JSON. The flow, and the value of every axis by the name that
// cell.Axes gives it, stand behind the id.
type DocumentCell struct {
	ID        string           `json:"id"`
	Axes      Axes             `json:"-"`
	Status    Status           `json:"status"`
	Predicted *DocumentOutcome `json:"predicted,omitempty"`
	Observed  *DocumentOutcome `json:"observed,omitempty"` // absent if the cell could not be played
	Cause     string           `json:"cause"`
	Expected  *bool            `json:"expected,omitempty"` // absent if the cell was not played
	Steps     []DocumentStep   `json:"steps"`
	Why       string           `json:"why,omitempty"`   // of not-covered
	Error     string           `json:"error,omitempty"` // of error
}

// Axes are the flow of a cell and its value on every axis, in JSON fields of their own.
type Axes cell.Cell

// MarshalJSON writes an object with the axes in the order of their table.
func (x Axes) MarshalJSON() ([]byte, error) {
	c := cell.Cell(x)
	if c.Flow == nil {
		return nil, fmt.Errorf("scenarios: encode results: %w: a cell without a flow", cell.ErrInvalid)
	}
	var b bytes.Buffer
	write := func(name string, value any) error {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		separator := byte(',')
		if b.Len() == 0 {
			separator = '{'
		}
		b.WriteByte(separator)
		fmt.Fprintf(&b, "%q:%s", name, text)
		return nil
	}
	if err := write("flow", c.Flow.Name()); err != nil {
		return nil, err
	}
	for _, a := range cell.Axes {
		if err := write(a.JSON, jsonValue(a, c)); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// jsonValue is the cell's value on an axis as JSON has it.
func jsonValue(x *cell.Axis, c cell.Cell) any {
	if x.Bool {
		return x.Get(c) == "true"
	}
	return x.Get(c)
}

// MarshalJSON puts the axes behind the id.
func (d DocumentCell) MarshalJSON() ([]byte, error) {
	type plain DocumentCell
	rest, err := marshal(plain(d))
	if err != nil {
		return nil, err
	}
	axes, err := d.Axes.MarshalJSON()
	if err != nil {
		return nil, err
	}
	id, err := marshal(d.ID)
	if err != nil {
		return nil, err
	}
	head := len(`{"id":`) + len(id)
	return append(append(append(rest[:head:head], ','), axes[1:len(axes)-1]...), rest[head:]...), nil
}

// UnmarshalJSON reads a cell of results. The axes are those of the id, and the fields of axes must
// say the same. No file that the id names is opened.
func (d *DocumentCell) UnmarshalJSON(text []byte) error {
	type plain DocumentCell
	var read plain
	var fields map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(text, &read), json.Unmarshal(text, &fields)); err != nil {
		return fmt.Errorf("scenarios: read results: %w", err)
	}
	c, err := Space().ReadID(read.ID)
	if err == nil {
		err = agrees(c, fields)
	}
	if err != nil {
		return fmt.Errorf("scenarios: read results: %w", err)
	}
	read.Axes = Axes(c)
	*d = DocumentCell(read)
	return nil
}

// agrees compares the fields of the flow and the axes with what the id says.
func agrees(c cell.Cell, fields map[string]json.RawMessage) error {
	want := map[string]any{"flow": c.Flow.Name()}
	names := []string{"flow"}
	for _, x := range cell.Axes {
		names, want[x.JSON] = append(names, x.JSON), jsonValue(x, c)
	}
	for _, name := range names {
		text, ok := fields[name]
		if !ok {
			return fmt.Errorf("%w: cell %s without the field %s", cell.ErrInvalid, c, name)
		}
		var got any
		if err := json.Unmarshal(text, &got); err != nil {
			return err
		}
		if got != want[name] {
			return fmt.Errorf("%w: cell %s has %s %s, which its id does not say", cell.ErrInvalid, c, name, text)
		}
	}
	return nil
}

// UnmarshalJSON reads results of the form that Schema names, and no other.
func (d *Document) UnmarshalJSON(text []byte) error {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("scenarios: read results: %w", err)
	}
	if head.Schema != Schema {
		return fmt.Errorf("scenarios: read results: schema %q, want %q", head.Schema, Schema)
	}
	type plain Document
	var read plain
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*d = Document(read)
	return nil
}

// marshal is json.Marshal that leaves <, > and & alone.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// DocumentOutcome is an Outcome without its steps. RTCP is absent where it was
// not judged.
type DocumentOutcome struct {
	Register   cell.Verdict   `json:"register"`
	Signalling cell.Verdict   `json:"signalling"`
	Media      cell.Direction `json:"media"`
	RTCP       cell.Direction `json:"rtcp,omitempty"`
}

// DocumentStep is one step, predicted and observed. Box, rule and cause are of
// what was observed; the predicted cause is there where it is another one.
type DocumentStep struct {
	Step           string    `json:"step"`
	Predicted      cell.Fate `json:"predicted"`
	Observed       cell.Fate `json:"observed,omitempty"`
	Box            string    `json:"box,omitempty"`
	Rule           cell.Rule `json:"rule,omitempty"`
	Cause          string    `json:"cause,omitempty"`
	PredictedCause string    `json:"predictedCause,omitempty"`
	Copy           int       `json:"copy,omitempty"` // not of the first
	PredictedCopy  int       `json:"predictedCopy,omitempty"`
}

func documentCell(r Result) DocumentCell {
	d := DocumentCell{
		ID: r.Cell.ID(), Axes: Axes(r.Cell.Canonical()),
		Status: r.Status(), Cause: r.Cause,
		Steps: make([]DocumentStep, 0, len(r.Predicted.Steps)),
	}
	if len(r.Predicted.Steps) > 0 {
		d.Predicted = documentOutcome(r.Predicted)
	}
	switch d.Status {
	case NotCovered:
		d.Why = r.Err.Error()
	case Broken:
		d.Error = r.Err.Error()
	default:
		d.Observed, d.Expected = documentOutcome(r.Observed), &r.Expected
	}
	for _, p := range r.Predicted.Steps {
		o, _ := r.Observed.Step(p.Step)
		d.Steps = append(d.Steps, documentStep(p, o))
	}
	return d
}

func documentStep(p, o cell.StepOutcome) DocumentStep {
	d := DocumentStep{
		Step: p.Step.Name, Predicted: p.Fate, Observed: o.Fate,
		Box: o.Cause.Box, Rule: o.Cause.Rule, Cause: o.Cause.String(),
	}
	if o.Copy > 1 {
		d.Copy = o.Copy
	}
	if p.Copy > 1 {
		d.PredictedCopy = p.Copy
	}
	if !o.Cause.Same(p.Cause) {
		d.PredictedCause = p.Cause.String()
	}
	return d
}

func documentOutcome(o cell.Outcome) *DocumentOutcome {
	return &DocumentOutcome{Register: o.Register, Signalling: o.Signalling, Media: o.Media, RTCP: o.RTCP}
}

// DocumentWriter writes a Document as indented JSON with a final newline, cell by cell: it
// keeps none of them.
type DocumentWriter struct {
	w     io.Writer
	seed  uint64
	cells int
	err   error // the first; nothing is written after it
}

// NewDocumentWriter writes to w the document of a run with that seed.
func NewDocumentWriter(w io.Writer, seed uint64) *DocumentWriter {
	return &DocumentWriter{w: w, seed: seed}
}

// Add writes one result, which is the next cell of the document. Close tells of its errors.
func (d *DocumentWriter) Add(r Result) {
	if d.err != nil {
		return
	}
	const indent = "    "
	var b bytes.Buffer
	d.begin(&b)
	if d.cells > 0 {
		b.WriteByte(',')
	}
	b.WriteString("\n" + indent)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(indent, "  ")
	if err := e.Encode(documentCell(r)); err != nil {
		d.fail(err)
		return
	}
	d.write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	d.cells++
}

// Close ends the document, which is whole and valid after any number of cells. It returns the
// first error of those of w and of results that have no form in JSON.
func (d *DocumentWriter) Close() error {
	var b bytes.Buffer
	d.begin(&b)
	if d.cells > 0 {
		b.WriteString("\n  ")
	}
	b.WriteString("]\n}\n")
	d.write(b.Bytes())
	return d.err
}

// begin writes what stands before the first cell.
func (d *DocumentWriter) begin(b *bytes.Buffer) {
	if d.cells == 0 {
		fmt.Fprintf(b, "{\n  \"schema\": %q,\n  \"seed\": %d,\n  \"cells\": [", Schema, d.seed)
	}
}

func (d *DocumentWriter) write(text []byte) {
	if d.err != nil {
		return
	}
	if _, err := d.w.Write(text); err != nil {
		d.fail(err)
	}
}

func (d *DocumentWriter) fail(err error) {
	if d.err == nil {
		d.err = fmt.Errorf("scenarios: encode results: %w", err)
	}
}
