// Package boxtest is what tests of several engines share: packets that meet, what holds of
// every box, and what a fuzzer plays to one.
package boxtest
