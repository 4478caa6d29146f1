package conntrack

import "github.com/natproof/natproof/natmodels/internal/table"

// static returns the external address of an internal one that has its own.
func (k *Tracker) static(internal table.Addr) (table.Addr, bool) {
	for _, p := range k.prefixes {
		if internal.Within(p.Internal, p.Mask) {
			return internal.Moved(p.External, p.Mask), true
		}
	}
	return table.Addr{}, false
}

// unstatic returns the internal address behind an external one of a prefix, and any
// other address as it is.
func (k *Tracker) unstatic(external table.Addr) table.Addr {
	for _, p := range k.prefixes {
		if external.Within(p.External, p.Mask) {
			return external.Moved(p.Internal, p.Mask)
		}
	}
	return external
}

// inside reports whether an address is known to be inside.
func (k *Tracker) inside(a table.Addr) bool {
	for _, p := range k.prefixes {
		if a.Within(p.Internal, p.Mask) {
			return true
		}
	}
	return false
}
