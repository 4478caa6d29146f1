package calibrate

import "context"

// Run measures all Cases. It stops between two of them when the context ends,
// and at the first NAT that cannot be measured.
func Run(ctx context.Context) ([]Section, error) {
	groups, err := Cases()
	if err != nil {
		return nil, err
	}
	var sections []Section
	for _, g := range groups {
		s := Section{Group: g}
		for _, n := range g.Cases {
			if err := ctx.Err(); err != nil {
				return sections, err
			}
			r, err := Measure(n.Name, n.Model, n.Place)
			if err != nil {
				return sections, err
			}
			s.Results = append(s.Results, r)
		}
		sections = append(sections, s)
	}
	return sections, nil
}
