package certify

import (
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/neighbour"
)

// Schema names the form of Document. Its JSON schema is docs/schema/certificate-v1.json.
const Schema = "natproof/certificate/v1"

// Document is a certificate in JSON. Times are in nanoseconds.
type Document struct {
	Schema   string            `json:"schema"`
	Phone    string            `json:"phone"`
	Seed     uint64            `json:"seed"`
	Agrees   bool              `json:"agrees"` // all that was played was as predicted
	Traits   []Finding         `json:"traits"`
	Axes     map[string]string `json:"axes"` // what the phone is in the ids of cells
	Cannot   []Inability       `json:"cannot,omitempty"`
	Verdicts []DocumentVerdict `json:"verdicts"`
}

// DocumentVerdict is a Verdict in JSON.
type DocumentVerdict struct {
	ID        string           `json:"id"` // of the cell
	Flow      string           `json:"flow"`
	NAT       string           `json:"nat"`
	Status    Status           `json:"status"`
	Played    bool             `json:"played"`
	Plays     int              `json:"plays,omitempty"` // if more than once
	Because   []DocumentReason `json:"because,omitempty"`
	WouldWork []DocumentChange `json:"wouldWork,omitempty"`
	Why       string           `json:"why,omitempty"`       // of not-covered, cannot and error
	Surprises string           `json:"surprises,omitempty"` // of not-as-predicted
}

// DocumentReason is a step that failed.
type DocumentReason struct {
	Step  string    `json:"step"`
	Fate  cell.Fate `json:"fate"`
	Box   string    `json:"box"`
	Rule  cell.Rule `json:"rule"`
	Cause string    `json:"cause"`
}

// DocumentChange is a smallest set of changes with which everything arrives.
type DocumentChange struct {
	Cost    int              `json:"cost"`
	ID      string           `json:"id"` // of the cell as it is then
	Changes []DocumentWhatBy `json:"changes"`
}

// DocumentWhatBy is a change.
type DocumentWhatBy struct {
	Who   neighbour.Who `json:"who"`
	Axis  string        `json:"axis"`
	Value string        `json:"value"`
	Text  string        `json:"text"`
}

// Document is the certificate as JSON has it.
func (c Certificate) Document() Document {
	d := Document{
		Schema: Schema, Phone: c.Phone, Seed: c.Seed, Agrees: c.Agrees(),
		Traits: c.Learned.Findings, Axes: c.Learned.Axes, Cannot: c.Learned.Cannot, Verdicts: []DocumentVerdict{},
	}
	for _, v := range c.Verdicts {
		x := DocumentVerdict{ID: v.Cell.ID(), Flow: v.Cell.Flow.Name(), NAT: v.Cell.A, Status: v.Status, Played: v.Played(), Why: v.Why}
		if v.Plays > 1 {
			x.Plays = v.Plays
		}
		if v.Status == NotAsPredicted {
			x.Surprises = v.surprises()
		}
		for i, text := range v.becauses() {
			s := v.Because[i]
			x.Because = append(x.Because, DocumentReason{s.Step.Name, s.Fate, s.Cause.Box, s.Cause.Rule, text})
		}
		for _, s := range v.WouldWork {
			w := DocumentChange{Cost: s.Cost, ID: s.Cell.ID()}
			for _, y := range s.Changes {
				w.Changes = append(w.Changes, DocumentWhatBy{y.Who, y.Axis, y.Value, y.Text})
			}
			x.WouldWork = append(x.WouldWork, w)
		}
		d.Verdicts = append(d.Verdicts, x)
	}
	return d
}
