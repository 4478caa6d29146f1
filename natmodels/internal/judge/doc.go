// Package judge is what engines have in common when they judge a packet: whether it can be
// translated at all, what the box itself answers, and what is said of it to people. It also
// checks what they have in common of a configuration.
package judge
