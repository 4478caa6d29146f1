package natmodels

// checkPolicy refuses settings of a Translator that do not go together.
func (c Config) checkPolicy(p *problems) {
	c.checkPortRules(p)
	c.checkBlocks(p)
	if c.StreamAfter > 0 && c.Unreplied() == c.Idle() {
		p.add("StreamAfter", "it tells UnrepliedTimeout from IdleTimeout, which are the same")
	}
	if c.WellKnownTimeout > max(0, c.Unreplied()) {
		p.add("WellKnownTimeout", "%v is longer than the timeout of %v of other mappings", c.WellKnownTimeout, c.Unreplied())
	}
	if c.PermissionTimeout > 0 {
		if c.FilterScope == PerEndpoint {
			p.add("PermissionTimeout", "permissions per internal endpoint live as long as their mappings")
		}
		if c.Filtering == EndpointIndependent {
			p.add("PermissionTimeout", "endpoint-independent filtering gives no permissions")
		}
	}
	l := c.Limits
	if l.PerSubscriber < 0 || l.Total < 0 {
		p.add("Limits", "%d and %d: a limit is positive, or 0 for none", l.PerSubscriber, l.Total)
	}
	if c.WhenFull == EvictOldest && (l.PerSubscriber > 0) == (l.Total > 0) {
		p.add("WhenFull", "evict-oldest needs one limit, and no more than one")
	}
	c.checkUnderLoad(p)
}

func (c Config) checkUnderLoad(p *problems) {
	u := c.UnderLoad
	switch {
	case u.Mappings < 0:
		p.add("UnderLoad", "%d mappings are less than none", u.Mappings)
	case u.Mappings == 0 && u != UnderLoad{}:
		p.add("UnderLoad", "it begins at no number of mappings")
	case u.Mappings > 0 && u.Mapping == c.Mapping && u.PortChoice == c.PortChoice:
		p.add("UnderLoad", "it is no different from the behavior without load")
	case u.Mappings > 0 && u.PortChoice == Sequential:
		p.add("UnderLoad", "sequential ports under load are not modelled")
	}
}

func (c Config) checkPortRules(p *problems) {
	if c.PortChoice == Sequential && (c.Parity || c.PortClasses || c.Blocks.Size > 0 || c.ReuseDelay > 0) {
		p.add("PortChoice", "sequential ports follow their step alone: no parity, classes, blocks or reuse delay")
	}
	if c.Contiguous && c.Mapping != EndpointIndependent {
		p.add("Contiguous", "RTP has no one port to stand beside with %v mapping", c.Mapping)
	}
	if c.PortClasses && c.PortRange.orDefault().First < 1024 {
		p.add("PortClasses", "the range %v reaches into the ports below 1024", c.PortRange)
	}
}

func (c Config) checkBlocks(p *problems) {
	b := c.Blocks
	switch {
	case b == Blocks{}:
		return
	case b.Size < 1 || b.Size > c.PortRange.Size():
		p.add("Blocks", "%d ports do not fit into %v", b.Size, c.PortRange)
		return
	case !b.Subscribers.IsValid() || b.Subscribers != b.Subscribers.Masked():
		p.add("Blocks", "%v is not a prefix of subscribers", b.Subscribers)
		return
	case len(c.External) > 0 && b.Subscribers.Addr().Is4() != c.inside4():
		p.add("Blocks", "%v is of another family than the inside", b.Subscribers)
	}
	if c.Pooling != Paired {
		p.add("Blocks", "blocks are paired with subscribers, not %v", c.Pooling)
	}
	if c.PortClasses || c.PortChoice == Preserve || c.UnderLoad.PortChoice == Preserve {
		p.add("Blocks", "a block has not the ports to preserve them, or their class")
	}
	bits := b.Subscribers.Addr().BitLen() - b.Subscribers.Bits()
	room := c.PortRange.Size() / b.Size * len(c.External)
	if bits > 30 || 1<<bits > room {
		p.add("Blocks", "%v has more subscribers than the %d blocks of %d ports on %d addresses", b.Subscribers, room, b.Size, len(c.External))
	}
}
