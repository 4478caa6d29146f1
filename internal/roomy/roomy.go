// Package roomy has a goroutine begin with the stack that it will need. A stack that grows
// doubles and is copied each time, with all that is on it by then; one that grows before
// anything is on it is made once.
package roomy

// Stack makes room on the stack of the calling goroutine for calls as deep as a SIP message
// takes. It is for the beginning of a goroutine that goes that deep, and changes nothing else.
func Stack() { take(0) }

//go:noinline
func take(at int) byte {
	var room [12 << 10]byte
	return room[at]
}
