// Package endpoint shows how to put an endpoint of one's own into the lab. The
// test is the example; the README shows it.
package endpoint
