package theory_test

import (
	"errors"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/scenarios/theory"
)

func TestPredictRefusesWhatTheoryDoesNotCover(t *testing.T) {
	c := cell.Default(flows.Call, "symmetric", cell.NoNAT)
	none, err := stage.Behavior(c, cell.B)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*natmodels.Behavior){
		"short idle":      func(n *natmodels.Behavior) { n.Idle = 20 * time.Second },
		"inbound refresh": func(n *natmodels.Behavior) { n.Refresh = natmodels.RefreshInbound },
		"must preserve":   func(n *natmodels.Behavior) { n.PortChoice = natmodels.Preserve },
		"several places":  func(n *natmodels.Behavior) { n.Pooling = natmodels.Arbitrary },
	} {
		cfg, err := stage.Behavior(c, cell.A)
		if err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if _, err := predictNATs(c, cfg, none); !errors.Is(err, theory.ErrNotCovered) {
			t.Errorf("%s: %v, want ErrNotCovered", name, err)
		}
	}
}

// What is sent so often that it may overlap with its answers is refused, and does not go on for ever.
func TestPredictRefusesWhatIsSentTooOften(t *testing.T) {
	for id, covered := range map[string]bool{
		"message/local[a=full-cone,b=full-cone,registrar=received,rport=true,keepalive=options,interval=1s]":            false,
		"message/local[a=full-cone,b=full-cone,registrar=received,rport=true,keepalive=options,interval=8s]":            true,
		"message/local[a=full-cone,b=full-cone,registrar=received,rport=true,keepalive=crlf,interval=1s]":               true,
		"message/local[a=full-cone,b=full-cone,registrar=received,rport=true,ping=zero,interval=1s]":                    false,
		"message/local[a=full-cone,b=full-cone,registrar=received,rport=true,ping=options,interval=2s]":                 false,
		"message/stun[a=full-cone,b=full-cone,keepalive=stun,interval=8s,loss=first]":                                   false,
		"message/stun[a=full-cone,b=full-cone,keepalive=stun,loss=first]":                                               true,
		"idle-then-called/local[a=full-cone,registrar=received,rport=true,keepalive=options,ping=options,interval=1s]":  false,
		"idle-then-called/local[a=full-cone,registrar=received,rport=true,keepalive=options,ping=options,interval=25s]": true,
	} {
		c, err := scenarios.ParseID(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenarios.Predict(c, nil); covered != (err == nil) || err != nil && !errors.Is(err, theory.ErrNotCovered) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// Nothing is said of registrations that are refreshed by themselves.
func TestPredictRefusesLongIdleTimes(t *testing.T) {
	for idle, covered := range map[cell.Duration]bool{"50m": true, "51m": false} {
		c := cell.Default(flows.IdleThenCalled, "symmetric", cell.NoNAT)
		c.Idle = idle
		if _, err := scenarios.Predict(c, nil); covered != (err == nil) || err != nil && !errors.Is(err, theory.ErrNotCovered) {
			t.Errorf("idle for %s: %v", idle, err)
		}
	}
}
