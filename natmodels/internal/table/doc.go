// Package table holds what engines keep their mappings in: addresses without pointers, a
// slab of records, an index by hash, a wheel of timers, a history of what ended, a clock
// that goes by what it is told. Nothing in it knows what a mapping is.
package table
