package theory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/theory"
)

func TestPredictRefusesWhatTheoryDoesNotCover(t *testing.T) {
	c := cell.Default(flows.Register, "symmetric", cell.NoNAT)
	none, err := natmodels.Preset(cell.NoNAT)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*natmodels.Config){
		"short idle":      func(n *natmodels.Config) { n.IdleTimeout = time.Minute },
		"inbound refresh": func(n *natmodels.Config) { n.Refresh = natmodels.RefreshInbound },
		"must preserve":   func(n *natmodels.Config) { n.PortChoice = natmodels.Preserve },
		"forwards":        func(n *natmodels.Config) { n.Static = []natmodels.StaticMapping{{}} },
	} {
		cfg, err := c.NAT(cell.A)
		if err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := predictNATs(c, cfg, none); !errors.Is(err, theory.ErrNotCovered) {
			t.Errorf("%s: %v, want ErrNotCovered", name, err)
		}
	}
}
