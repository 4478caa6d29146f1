// Package diago lets a phone that is not ours call and answer in the lab: one on
// github.com/emiago/diago, with its own dialogs, session descriptions, RTP and RTCP, on
// sockets of virtual hosts and in virtual time.
//
// It is a module of its own, so that nobody else inherits what diago needs. There is
// nothing in it but tests. How diago is made to take our sockets is told in phone_test.go.
package diago
