package ua

import "github.com/emiago/sipgo/sip"

// methods are those that are understood, as Allow lists them.
func (c Config) methods() string { return c.Service.methods() + c.eventMethods() }

// understands says whether a method is not to be answered 405 (RFC 3261 section 8.2.1).
func (c Config) understands(m sip.RequestMethod) bool {
	return c.Service.understands(m) || m == sip.SUBSCRIBE && len(c.Notifier.Packages) > 0
}

// eventMethods are those of RFC 6665, to be added to a list.
func (c Config) eventMethods() string {
	list := ""
	if len(c.Notifier.Packages) > 0 {
		list += ", SUBSCRIBE"
	}
	if c.UnsolicitedMessageSummary {
		list += ", NOTIFY"
	}
	return list
}
