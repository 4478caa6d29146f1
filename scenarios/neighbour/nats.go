package neighbour

import (
	"fmt"
	"strings"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// movesFrom are the moves that there are from a cell: those of the list, and of each NAT those
// to the plain ones of RFC 4787 that depend on no more than it does.
func movesFrom(c cell.Cell) ([]move, error) {
	all := moves
	for _, x := range []struct {
		side cell.Side
		axis string
		who  Who
	}{{cell.A, cell.KeyA, NAT}, {cell.B, cell.KeyB, OtherNAT}} {
		if !c.Flow.Uses(x.axis) || cell.Lookup(x.axis).Get(c) == cell.NoNAT {
			continue
		}
		has, err := stage.Behavior(c, x.side)
		if err != nil {
			return nil, err
		}
		all = append(all[:len(all):len(all)], natMoves(x.axis, x.who, has)...)
	}
	return all, nil
}

const (
	plainCost = 4 // of a NAT that differs in timers and ports alone
	otherCost = 5 // in mapping or filtering
	bothCost  = 6
)

func natMoves(axis string, who Who, has natmodels.Behavior) []move {
	var all []move
	for _, code := range cell.RFC4787() {
		b, ok := codes[code]
		if !ok || b.mapping > has.Mapping || b.filtering > has.Filtering {
			continue
		}
		var text []string
		if b.mapping != has.Mapping {
			text = append(text, fmt.Sprintf("have %s mapping (RFC 4787 §4.1)", b.mapping))
		}
		if b.filtering != has.Filtering {
			text = append(text, fmt.Sprintf("have %s filtering (RFC 4787 §5)", b.filtering))
		}
		cost := []int{plainCost, otherCost, bothCost}[len(text)]
		if len(text) == 0 {
			text = []string{"have timers and ports as RFC 4787 wants them, with the mapping and the filtering that it has"}
		}
		all = append(all, move{who, axis, strings.Join(text, " and "), cost, to(code)})
	}
	return all
}

// codes are the presets of RFC 4787's behaviours.
var codes = func() map[string]struct{ mapping, filtering natmodels.Dependence } {
	all := map[string]struct{ mapping, filtering natmodels.Dependence }{}
	for i, m := range []string{"eim", "adm", "apdm"} {
		for j, f := range []string{"eif", "adf", "apdf"} {
			all[m+"-"+f] = struct{ mapping, filtering natmodels.Dependence }{dependences[i], dependences[j]}
		}
	}
	return all
}()

var dependences = []natmodels.Dependence{natmodels.EndpointIndependent, natmodels.AddressDependent, natmodels.AddressAndPortDependent}
