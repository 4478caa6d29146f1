// Package neighbour says what would help a cell in which something fails: which of its
// neighbours, one or two changes away, theory predicts to work.
//
//	sets, err := neighbour.Search(c, phones)
//	for _, s := range sets { // the cheapest first
//		fmt.Println(s.Cost, s.Cell.ID(), s.Changes)
//	}
//
// A change is one that somebody can make: of the phone's settings, of what the other end does,
// of the proxy's policy, or of the NAT ([Who]). Whoever cannot be changed is left as it is: a
// phone whose Traits refuse a cell (stage.ErrNotThisPhone) has no such neighbour.
//
// It plays nothing. What theory does not cover is no neighbour either.
package neighbour
