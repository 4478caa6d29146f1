// Package inturn tells a function of values one at a time and in the order in which they
// came, on a goroutine that exists only while there are any, or stays. It is for whoever has a callback:
// a value may be put while a lock is held, and the callback runs with none.
//
// It is not for work that may be done side by side, and bounds nothing: values wait for as
// long as the function takes.
package inturn
