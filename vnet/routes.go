package vnet

import (
	"net/netip"
	"slices"
)

// route leads to a prefix: a site here, or behind a gateway that does not translate.
type route struct {
	prefix  netip.Prefix
	site    *Site
	gateway *Gateway
}

// routes finds the longest prefix that an address is in. However many there are, a look-up
// costs no more than one in a map for each length of a prefix.
type routes struct {
	all     []route                 // longest prefix first, and of one length as they came
	byKey   map[netip.Prefix]*route // nil while there are few
	lengths [2][]int                // of prefixes of IPv4 and IPv6, longest first
}

// few is how many routes are looked through one by one.
const few = 4

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// add takes a route. One to a prefix that has one already changes nothing.
func (t *routes) add(n route) {
	at, _ := slices.BinarySearchFunc(t.all, n.prefix.Bits(), func(have route, bits int) int {
		if have.prefix.Bits() >= bits {
			return -1
		}
		return 1
	})
	t.all = slices.Insert(t.all, at, n)
	switch {
	case len(t.all) <= few:
	case t.byKey == nil:
		t.byKey = map[netip.Prefix]*route{}
		for _, n := range t.all {
			t.index(n)
		}
	default:
		t.index(n)
	}
}

// index has look-ups find the route by its prefix.
func (t *routes) index(n route) {
	if _, have := t.byKey[n.prefix]; have {
		return
	}
	t.byKey[n.prefix] = &n
	lengths := &t.lengths[family(n.prefix.Addr())]
	at, have := slices.BinarySearchFunc(*lengths, n.prefix.Bits(), func(a, b int) int { return b - a })
	if !have {
		*lengths = slices.Insert(*lengths, at, n.prefix.Bits())
	}
}

// to is the route for an address, or nil.
func (t *routes) to(a netip.Addr) *route {
	if t.byKey == nil {
		for i := range t.all {
			if t.all[i].prefix.Contains(a) {
				return &t.all[i]
			}
		}
		return nil
	}
	if a.Zone() != "" {
		return nil
	}
	for _, bits := range t.lengths[family(a)] {
		p, err := a.Prefix(bits)
		if err != nil {
			continue
		}
		if n := t.byKey[p]; n != nil {
			return n
		}
	}
	return nil
}

// siteOf is the site of the realm itself that has the address.
func (t *routes) siteOf(a netip.Addr) (route, bool) {
	for _, n := range t.all {
		if n.site != nil && n.prefix.Contains(a) {
			return n, true
		}
	}
	return route{}, false
}

// overlaps is a prefix known already that has addresses in common with p.
func (t *routes) overlaps(p netip.Prefix) (netip.Prefix, bool) {
	for _, n := range t.all {
		if n.prefix.Overlaps(p) {
			return n.prefix, true
		}
	}
	return netip.Prefix{}, false
}
