package scenarios

// Axes are the values of each option of which Plan takes every combination. An
// empty axis is the default of DefaultCell alone; of A and B it is Classic,
// of Flows all of them.
type Axes struct {
	Flows        []Flow
	A, B         []string
	PortManagers []PortManager
	Registrars   []Registrar
	Rports       []bool
	Latches      []Sides
	Stricts      []Sides
	Silents      []Sides
	FilterScopes []FilterScope
	ALGs         []ALG
}

// Plan expands the axes into cells, in a fixed order: the flow changes slowest,
// then port manager, registrar, rport, latch, strict, silent, filter scope and ALG;
// a and b change fastest, so that the cells of one matrix stand together. What
// a flow does not use is collapsed (see Cell.Canonical) and the duplicates that
// makes are left out. The first invalid value is returned as a *ValueError.
func Plan(axes Axes) ([]Cell, error) {
	axes = axes.withDefaults()
	if err := axes.validate(); err != nil {
		return nil, err
	}
	var cells []Cell
	seen := map[Cell]bool{}
	axes.each(func(c Cell) {
		if c = c.Canonical(); !seen[c] {
			seen[c] = true
			cells = append(cells, c)
		}
	})
	return cells, nil
}

// Claim is the first part of the default report: the claim that STUN is
// enough, put to every classic NAT with plain RFC 3261 signalling.
func Claim() []Cell { return mustPlan(Axes{Flows: []Flow{FlowRegister}}) }

// Remedied is the second part: the same with rport and a registrar that routes
// to where the REGISTER came from.
func Remedied() []Cell {
	return mustPlan(Axes{
		Flows: []Flow{FlowRegister}, Registrars: []Registrar{RegistrarReceived}, Rports: []bool{true},
	})
}

// Media is the third part: on that base, calls between every two classic NATs,
// plain and with both sides latching.
func Media() []Cell {
	return mustPlan(Axes{
		Flows: []Flow{FlowCall}, Registrars: []Registrar{RegistrarReceived}, Rports: []bool{true},
		Latches: []Sides{NoSide, BothSides},
	})
}

// mustPlan is for axes written in this package.
func mustPlan(axes Axes) []Cell {
	cells, err := Plan(axes)
	if err != nil {
		panic(err)
	}
	return cells
}

func (x Axes) withDefaults() Axes {
	d := DefaultCell("", "", "")
	if len(x.Flows) == 0 {
		x.Flows = Flows()
	}
	if len(x.A) == 0 {
		x.A = Classic()
	}
	if len(x.B) == 0 {
		x.B = Classic()
	}
	orDefault(&x.PortManagers, d.PortManager)
	orDefault(&x.Registrars, d.Registrar)
	orDefault(&x.Rports, d.Rport)
	orDefault(&x.Latches, d.Latch)
	orDefault(&x.Stricts, d.Strict)
	orDefault(&x.Silents, d.Silent)
	orDefault(&x.FilterScopes, d.FilterScope)
	orDefault(&x.ALGs, d.ALG)
	return x
}

func orDefault[T any](axis *[]T, value T) {
	if len(*axis) == 0 {
		*axis = []T{value}
	}
}

func (x Axes) validate() error {
	presets := NATs()
	for _, err := range []error{
		checkAll("flow", x.Flows, Flows()),
		checkAll(AxisNAT, x.A, presets),
		checkAll(AxisNAT, x.B, presets),
		checkAll("port manager", x.PortManagers, PortManagers()),
		checkAll("registrar policy", x.Registrars, Registrars()),
		checkAll("latch", x.Latches, SideSets()),
		checkAll("strict", x.Stricts, SideSets()),
		checkAll("silent", x.Silents, SilentSets()),
		checkAll("filter scope", x.FilterScopes, FilterScopes()),
		checkAll("ALG", x.ALGs, ALGs()),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkAll[T ~string](axis string, values, valid []T) error {
	for _, v := range values {
		if err := CheckValue(axis, v, valid); err != nil {
			return err
		}
	}
	return nil
}

// each calls f for every combination, slowest axis first.
func (x Axes) each(f func(Cell)) {
	var c Cell
	over(x.Flows, &c.Flow, func() {
		over(x.PortManagers, &c.PortManager, func() {
			over(x.Registrars, &c.Registrar, func() {
				over(x.Rports, &c.Rport, func() {
					over(x.Latches, &c.Latch, func() {
						over(x.Stricts, &c.Strict, func() {
							over(x.Silents, &c.Silent, func() {
								over(x.FilterScopes, &c.FilterScope, func() {
									over(x.ALGs, &c.ALG, func() {
										over(x.A, &c.A, func() {
											over(x.B, &c.B, func() { f(c) })
										})
									})
								})
							})
						})
					})
				})
			})
		})
	})
}

func over[T any](values []T, slot *T, next func()) {
	for _, v := range values {
		*slot = v
		next()
	}
}
