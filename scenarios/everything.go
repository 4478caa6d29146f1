package scenarios

import (
	"iter"
	"slices"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// enough is about how many cells [Everything] would have if each flow had a share of the same size.
const enough = 180_000

// base is what everything is varied from.
type base struct {
	values map[string]string
	media  bool // it is for flows with media
	first  bool // it is varied the most
}

// bases are the world of plain RFC 3261; that of today, in which signalling gets through so that
// there is media to look at; and that in which both ends latch.
var bases = []base{
	{},
	{values: map[string]string{cell.KeyRegistrar: "received", cell.KeyRport: "true"}, first: true},
	{values: map[string]string{cell.KeyRegistrar: "received", cell.KeyRport: "true", cell.KeyLatch: "both"}, media: true},
}

// Everything are the cells of 'natproof matrix --all', each once and in a fixed order. Of every
// flow, on native hosts, from each base (plain RFC 3261; with rport and a registrar that routes to
// where a REGISTER came from; the same with both ends latching, where there is media), with the
// values that axes name as interesting:
//
//   - every pair of NATs by the codes of RFC 4787, and every device on either side of every classic
//     NAT, as the base is;
//   - every pair of NATs by the codes of RFC 4787 with each axis varied alone, on the second base;
//   - every pair of classic NATs with each axis varied alone, and each two axes varied together.
//
// Values that take long (1,000 phones) are in a few cells alone ([cell.Axis.Few]).
//
// A flow without a NAT in front of b has every NAT and every device with all of that. Of cells with
// two axes varied, a flow that has more of them than its share of the whole takes every n-th. Calls of
// cells with an axis varied are brief. What theory says nothing of is not varied further.
func Everything() iter.Seq[Take] {
	return func(yield func(Take) bool) {
		devices, all := Devices(), flows.All()
		for _, f := range all {
			for t := range everythingOf(f, pairs(f, devices), enough/len(all)) {
				if !yield(t) {
					return
				}
			}
			for _, t := range fewOf(f) {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// Every is every n-th of what there is, from the first on.
func Every[T any](n int, all iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		i := 0
		for x := range all {
			if i%n == 0 && !yield(x) {
				return
			}
			i++
		}
	}
}

// fewOf are cells with the values that take long: behind every classic NAT, from the base that is varied
// the most.
func fewOf(f *flows.Flow) []Take {
	var all []Take
	seen := map[cell.Cell]bool{}
	for _, x := range cell.Axes {
		if len(x.Few) == 0 || !f.Uses(x.Key) {
			continue
		}
		for _, a := range cell.Classic() {
			for _, value := range x.Few {
				for _, c := range beside(with(first(f, a), x, value), x.Beside) {
					if c = c.Canonical(); !seen[c] {
						seen[c] = true
						all = append(all, Take{Cell: c, Brief: true})
					}
				}
			}
		}
	}
	return all
}

// first is the base that is varied the most, with a NAT in front of a alone.
func first(f *flows.Flow, a string) cell.Cell {
	b := bases[slices.IndexFunc(bases, func(b base) bool { return b.first })]
	return b.cell(f, a, cell.NoNAT)
}

// cell is the base with those NATs.
func (b base) cell(f *flows.Flow, natA, natB string) cell.Cell {
	c := with(cell.Default(f, natA, natB), cell.Lookup(cell.KeyHosts), string(cell.HostsNative))
	for _, x := range cell.Axes {
		if v, ok := b.values[x.Key]; ok {
			c = with(c, x, v)
		}
	}
	return c
}

// beside is the cell with each of the values together.
func beside(c cell.Cell, values map[string][]string) []cell.Cell {
	all := []cell.Cell{c}
	for _, x := range cell.Axes {
		var more []cell.Cell
		for _, v := range values[x.Key] {
			for _, c := range all {
				more = append(more, with(c, x, v))
			}
		}
		if more != nil {
			all = more
		}
	}
	return all
}

// variation is a cell that differs from a base in so many axes.
type variation struct {
	cell cell.Cell
	axes int
}

// everythingOf is a flow's part, of about that many.
func everythingOf(f *flows.Flow, over []pair, share int) iter.Seq[Take] {
	return func(yield func(Take) bool) {
		few, many := estimate(f, over)
		room := max(share-few, many/20, 1) // some at least
		nth, i := max(1, (many+room-1)/room), 0
		for v := range varied(f, over) {
			if v.axes == 2 {
				if i++; i%nth != 0 {
					continue
				}
			}
			if !yield(Take{Cell: v.cell, Brief: v.axes > 0}) {
				return
			}
		}
	}
}

// estimate is about how many variations a flow has, of one axis at most and of two, if every pair of
// NATs has as many as the first.
func estimate(f *flows.Flow, over []pair) (few, many int) {
	one, two := 0, 0
	for v := range varied(f, over[:1]) {
		if v.axes < 2 {
			one++
		} else {
			two++
		}
	}
	for _, p := range over {
		switch {
		case p.axes == 2:
			few, many = few+one, many+two
		case p.axes == 1:
			few += one
		default:
			few += len(bases)
		}
	}
	return few, many
}

// varied are all variations of a flow.
func varied(f *flows.Flow, over []pair) iter.Seq[variation] {
	return func(yield func(variation) bool) {
		for _, p := range over {
			seen := map[cell.Cell]bool{}
			for _, b := range bases {
				if b.media && !f.Media() {
					continue
				}
				for v := range from(b, f, p) {
					c := v.cell.Canonical()
					if c.A != p.a || c.B != p.b || seen[c] {
						continue // it is, or will be, there by another name
					}
					seen[c] = true
					if !yield(variation{c, v.axes}) {
						return
					}
				}
			}
		}
	}
}

// pair are the NATs in front of the ends, and how many axes are varied at a time: of the first base,
// and of others.
type pair struct {
	a, b        string
	axes, fewer int
}

// pairs are those of a flow, each once.
func pairs(f *flows.Flow, devices []string) []pair {
	var all []pair
	add := func(as, bs []string, axes, fewer int) {
		for _, a := range as {
			for _, b := range bs {
				if !slices.ContainsFunc(all, func(p pair) bool { return p.a == a && p.b == b }) {
					all = append(all, pair{a, b, axes, fewer})
				}
			}
		}
	}
	if !f.Uses(cell.KeyB) {
		add(slices.Concat(cell.Classic(), cell.RFC4787(), devices), []string{cell.NoNAT}, 2, 2)
		return all
	}
	add(cell.Classic(), cell.Classic(), 2, 2)
	add(cell.RFC4787(), cell.RFC4787(), 1, 0)
	add(devices, cell.Classic(), 0, 0)
	add(cell.Classic(), devices, 0, 0)
	return all
}

// apart are axes that are not varied together: of both at once theory says nothing.
var apart = [][2]string{
	{cell.KeyTopology, cell.KeyALG},
	{cell.KeyTopology, cell.KeyPortManager},
}

// change is a value of an axis.
type change struct {
	axis  *cell.Axis
	value string
}

// from are the variations of one base. What theory says nothing of is not varied further.
func from(b base, f *flows.Flow, p pair) iter.Seq[variation] {
	return func(yield func(variation) bool) {
		axes := p.fewer
		if b.first {
			axes = p.axes
		}
		start := b.cell(f, p.a, p.b)
		var all []change
		for _, x := range cell.Axes {
			for _, v := range x.Interests() {
				if f.Uses(x.Key) && !x.Inner && v != x.Get(start) {
					all = append(all, change{x, v})
				}
			}
		}
		if !yield(variation{start, 0}) || axes == 0 || !covered(start) {
			return
		}
		var good []change
		for _, x := range all {
			c := with(start, x.axis, x.value)
			if !yield(variation{c, 1}) {
				return
			}
			if covered(c) {
				good = append(good, x)
			}
		}
		if axes < 2 {
			return
		}
		for i, x := range good {
			for _, y := range good[i+1:] {
				if together(x, y) && !yield(variation{with(with(start, x.axis, x.value), y.axis, y.value), 2}) {
					return
				}
			}
		}
	}
}

func together(x, y change) bool {
	return x.axis != y.axis && !slices.Contains(apart, [2]string{x.axis.Key, y.axis.Key}) &&
		!slices.Contains(apart, [2]string{y.axis.Key, x.axis.Key})
}

// covered says whether there is a theory of the cell.
func covered(c cell.Cell) bool {
	_, err := Predict(c, nil)
	return err == nil
}

// with is the cell with another value, of those that the axis has.
func with(c cell.Cell, x *cell.Axis, value string) cell.Cell {
	c, err := x.With(c, value)
	if err != nil {
		panic(err)
	}
	return c
}
