package ua

import (
	"slices"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// optional are the methods of what is switched on, beyond Service's.
func (c Config) optional() []string {
	var list []string
	for _, m := range slices.Concat(c.prackMethods(), c.updateMethods(), c.referMethods(), c.eventMethods()) {
		if !slices.Contains(list, m) {
			list = append(list, m)
		}
	}
	return list
}

// methods are those that are understood, as Allow lists them.
func (c Config) methods() string {
	return strings.Join(append([]string{c.Service.methods()}, c.optional()...), ", ")
}

// understands says whether a method is not to be answered 405 (RFC 3261 section 8.2.1).
func (c Config) understands(m sip.RequestMethod) bool {
	return c.Service.understands(m) || slices.Contains(c.optional(), string(m))
}

// extensions are the option tags of what is switched on, as Supported lists them.
func (c Config) extensions() []string {
	return slices.Concat(c.prackExtensions(), c.timerExtensions(), c.referExtensions())
}

// supported is the Supported header field of an INVITE, an UPDATE and their 2xx, if there is
// one. Reliable responses are for the INVITE that begins a call: others are answered at once.
func (c Config) supported(begins bool) []sip.Header {
	if !begins {
		c.PRACK = NoPRACK
	}
	if list := c.extensions(); len(list) > 0 {
		return []sip.Header{sip.NewHeader("Supported", strings.Join(list, ", "))}
	}
	return nil
}
