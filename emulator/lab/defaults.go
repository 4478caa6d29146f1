package lab

// withDefaults fills in what a file need not say.
func (f *File) withDefaults() {
	setDefault(&f.Seed, 1)
	setDefault(&f.Domain, defaultDomain)
	setDefault(&f.Hosts, HostWord(HostWord("").words()[0]))
	for i := range f.Servers {
		name := f.Servers[i].Name
		switch s := f.Servers[i].Value.Is.(type) {
		case *Registrar:
			setDefault(&s.Host, name)
			setDefault(&s.Port, 5060)
			setDefault(&s.Policy, PolicyWord(PolicyWord("").words()[0]))
		case *STUNServer:
			setDefault(&s.Host, name)
			setDefault(&s.Port, 3478)
		case *Gateway:
			setDefault(&s.Host, name)
			setDefault(&s.Port, 5060)
			setDefault(&s.Latch, LatchWord(LatchWord("").words()[0]))
		}
	}
	for i := range f.Endpoints {
		name := f.Endpoints[i].Name
		switch e := f.Endpoints[i].Value.Is.(type) {
		case *UA:
			setDefault(&e.Host, name)
			setDefault(&e.Registrar, f.onlyServer(isRegistrar))
			setDefault(&e.URI, "sip:"+name+"@"+f.Domain)
			setDefault(&e.Ports, managerLocal)
			setDefault(&e.Latch, LatchWord(LatchWord("").words()[0]))
			if e.Ports == managerSTUN {
				setDefault(&e.STUN, f.onlyServer(isSTUN))
			}
		case *Plain:
			setDefault(&e.Host, name)
			setDefault(&e.Registrar, f.onlyServer(isRegistrar))
		case *Program:
			setDefault(&e.Host, name)
		}
	}
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func isRegistrar(s *Server) bool { _, ok := s.Is.(*Registrar); return ok }
func isSTUN(s *Server) bool      { _, ok := s.Is.(*STUNServer); return ok }
func isGateway(s *Server) bool   { _, ok := s.Is.(*Gateway); return ok }

// onlyServer is the name of the one server of a kind, or empty.
func (f *File) onlyServer(is func(*Server) bool) string {
	only := ""
	for i := range f.Servers {
		if is(&f.Servers[i].Value) {
			if only != "" {
				return ""
			}
			only = f.Servers[i].Name
		}
	}
	return only
}
