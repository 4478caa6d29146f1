package ua

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// methods are those that are understood, as Allow lists them.
func (c Config) methods() string {
	m := c.Service.methods()
	switch c.Refer {
	case ReferUnsupported:
		return m
	case ReferDecline: // and so there is nothing to be notified of
		return m + ", REFER"
	}
	return m + ", REFER, NOTIFY"
}

// understands says whether a method is not to be answered 405 (RFC 3261 section 8.2.1).
func (c Config) understands(m sip.RequestMethod) bool {
	return m == sip.REFER && c.Refer != ReferUnsupported || c.Service.understands(m)
}

// extensions are the option tags of what is switched on, as Supported lists them.
func (c Config) extensions() []string {
	var list []string
	if c.Replaces {
		list = append(list, "replaces")
	}
	if c.Refer >= ReferAsk {
		list = append(list, "norefersub")
	}
	return list
}

// supported is the Supported header field of an INVITE and its 2xx, if there is one.
func (c Config) supported() []sip.Header {
	if list := c.extensions(); len(list) > 0 {
		return []sip.Header{sip.NewHeader("Supported", strings.Join(list, ", "))}
	}
	return nil
}
