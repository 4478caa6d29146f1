package scenarios_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// Results are read where the files of their NATs are not, and only if they agree with themselves.
func TestReadResults(t *testing.T) {
	c := cell.Default(flows.Register, "./no-such.txt", "symmetric") // a flow without b
	var b bytes.Buffer
	doc := scenarios.NewDocumentWriter(&b, 1)
	doc.Add(scenarios.Result{Cell: c, Err: errors.New("no file")})
	if err := doc.Close(); err != nil {
		t.Fatal(err)
	}
	good := b.String()
	var back scenarios.Document
	if err := json.Unmarshal([]byte(good), &back); err != nil {
		t.Fatal(err)
	}
	if got := cell.Cell(back.Cells[0].Axes); got != c.Canonical() {
		t.Errorf("read %+v", got)
	}
	for _, x := range []struct{ from, to, want string }{
		{`"natproof/results/v1"`, `"natproof/results/v2"`, `schema "natproof/results/v2", want "natproof/results/v1"`},
		{`"schema"`, `"shema"`, `schema "", want`},
		{`"a": "./no-such.txt"`, `"a": "none"`, `has a "none", which its id does not say`},
		{`"flow": "register"`, `"flow": "call"`, `has flow "call"`},
		{`"rport": false`, `"rport": true`, `has rport true`},
		{`"rport": false`, `"rport": "false"`, `has rport "false"`},
		{`"alg": "off"`, `"alg": []`, `has alg []`},
		{`"strict": "none",`, ``, `without the field strict`},
		{`"id": "register/stun[a=./no-such.txt]"`, `"id": "register/stun[a=conical]"`, `unknown NAT "conical"`},
		{`"id": "register/stun[a=./no-such.txt]"`, `"id": 1`, `cannot unmarshal number`},
		{`"steps": []`, `"steps": [`, ``},
	} {
		text := strings.Replace(good, x.from, x.to, 1)
		back := scenarios.Document{Seed: 99}
		err := json.Unmarshal([]byte(text), &back)
		if text == good || err == nil || !strings.Contains(err.Error(), x.want) || back.Seed != 99 {
			t.Errorf("%s: %+v, %v, want %s", x.to, back, err, x.want)
		}
	}
}

// A cell without a flow has no form in JSON.
func TestResultsWithoutAFlow(t *testing.T) {
	doc := scenarios.NewDocumentWriter(&bytes.Buffer{}, 1)
	doc.Add(scenarios.Result{Err: errors.New("no flow")})
	if err := doc.Close(); !errors.Is(err, cell.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// full has room for a number of writes.
type full struct {
	bytes.Buffer
	room int
}

var errFull = errors.New("full")

func (f *full) Write(b []byte) (int, error) {
	if f.room--; f.room < 0 {
		return 0, errFull
	}
	return f.Buffer.Write(b)
}

// A document is whole and valid after any number of cells, each is written when it is added, and
// nothing is written after an error, which Close returns.
func TestDocumentWriter(t *testing.T) {
	r := scenarios.Result{Cell: cell.Default(flows.Register, "symmetric", cell.NoNAT), Err: errors.New("no lab")}
	for n := range 4 {
		var b bytes.Buffer
		doc := scenarios.NewDocumentWriter(&b, 1)
		for i := range n {
			doc.Add(r)
			if got := strings.Count(b.String(), `"id"`); got != i+1 {
				t.Errorf("%d cells are written after %d", got, i+1)
			}
		}
		var back scenarios.Document
		err := errors.Join(doc.Close(), json.Unmarshal(b.Bytes(), &back))
		if err != nil || len(back.Cells) != n || back.Cells == nil {
			t.Errorf("%d cells: %v, read back %d", n, err, len(back.Cells))
		}

		f := &full{room: n}
		doc = scenarios.NewDocumentWriter(f, 1)
		for range 3 {
			doc.Add(r)
		}
		f.room = max(f.room, 0) + n // there is room again where there was not
		if err := doc.Close(); (n < 3) != errors.Is(err, errFull) || strings.Count(f.String(), `"id"`) != min(n, 3) {
			t.Errorf("room for %d: %v\n%s", n, err, f)
		}
	}
}
