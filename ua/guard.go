package ua

import "net/netip"

// onPanic counts a panic and tells of it; nil without Config.OnPanic.
func (c *Client) onPanic() func(any, []byte, netip.AddrPort) {
	told := c.cfg.OnPanic
	if told == nil {
		return nil
	}
	return func(v any, b []byte, from netip.AddrPort) {
		c.ctr.panics.Add(1)
		told(v, b, from)
	}
}

// guardedEvents is Config.OnEvent, of which a panic is not the end of the events.
func (c *Client) guardedEvents() func(Event) {
	call, told := c.cfg.OnEvent, c.onPanic()
	if call == nil || told == nil {
		return call
	}
	return func(e Event) {
		defer func() {
			if v := recover(); v != nil {
				told(v, nil, netip.AddrPort{})
			}
		}()
		call(e)
	}
}
