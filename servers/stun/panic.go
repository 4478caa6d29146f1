package stun

import "net/netip"

// guarded is answer, where a panic is an outcome if Config.OnPanic is told of it.
func (s *Server) guarded(i int, b []byte, src netip.AddrPort) (a answer, o Outcome) {
	if s.cfg.OnPanic != nil {
		defer func() {
			if v := recover(); v != nil {
				a, o = answer{}, Panicked
				s.cfg.OnPanic(v, b, src)
			}
		}()
	}
	return s.answer(i, b, src)
}
