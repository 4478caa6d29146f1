package theory

// PlayMedia has a call talk packet by packet; what Stream says after it is what arrived.
func (n *Network) PlayMedia() { n.talks() }
