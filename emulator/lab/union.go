package lab

// union is a type that is one of several: told apart by the word of a key, or by which key is there.
type union interface {
	what() string // "kind of server", "action"
	key() string  // the key whose value tells, or "": the keys themselves do
	variants() []variant
	get() any
	set(any)
}

// variant is one of a union.
type variant struct {
	name string
	doc  string
	make func() any // a pointer to a struct
}

func (*Server) what() string { return "kind of server" }
func (*Server) key() string  { return "kind" }
func (s *Server) get() any   { return s.Is }
func (s *Server) set(v any)  { s.Is = v }
func (*Server) variants() []variant {
	return []variant{
		{"registrar", "a registrar and proxy", func() any { return &Registrar{} }},
		{"stun", "a STUN server", func() any { return &STUNServer{} }},
		{"gateway", "a PSTN gateway", func() any { return &Gateway{} }},
	}
}

func (*Endpoint) what() string { return "kind of endpoint" }
func (*Endpoint) key() string  { return "kind" }
func (e *Endpoint) get() any   { return e.Is }
func (e *Endpoint) set(v any)  { e.Is = v }
func (*Endpoint) variants() []variant {
	return []variant{
		{"ua", "this project's user agent", func() any { return &UA{} }},
		{"plain", "a phone on sipgo as it comes, which knows nothing of NATs", func() any { return &Plain{} }},
		{"program", "a real program, on the real clock", func() any { return &Program{} }},
	}
}

func (*Step) what() string { return "action" }
func (*Step) key() string  { return "" }
func (s *Step) get() any {
	if s.Action == nil {
		return nil
	}
	return s.Action
}
func (s *Step) set(v any)         { s.Action = v.(Action) }
func (*Step) variants() []variant { return actions }

func (*Expectation) what() string { return "expectation" }
func (*Expectation) key() string  { return "" }
func (e *Expectation) get() any {
	if e.Claim == nil {
		return nil
	}
	return e.Claim
}
func (e *Expectation) set(v any)         { e.Claim = v.(Claim) }
func (*Expectation) variants() []variant { return claims }
