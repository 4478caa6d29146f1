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

// guarded is a function of which a panic is not the end if Config.OnPanic is told of it.
func guarded[T any](c *Client, call func(T)) func(T) {
	told := c.onPanic()
	if call == nil || told == nil {
		return call
	}
	return func(v T) {
		defer func() {
			if v := recover(); v != nil {
				told(v, nil, netip.AddrPort{})
			}
		}()
		call(v)
	}
}
