package translate

import (
	"fmt"
	"slices"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/internal/judge"
)

// problems are what is wrong with the settings, wherever the NAT stands.
func (c Config) problems() judge.Problems {
	var p judge.Problems
	settings.Check(c, &p)
	c.checkPorts(&p)
	c.checkTimeouts(&p)
	c.checkPolicy(&p)
	return p
}

// checkPlace says what is wrong with a place for a NAT of these settings. Behind a mixed one
// is IPv6, whatever is outside.
func (c Config) checkPlace(p *judge.Problems, place natmodels.Place, mixed bool) {
	p.External(place.External)
	if c.Pooling == natmodels.Arbitrary && len(place.External) == 1 {
		p.Add("pooling", "arbitrary pooling needs at least two external addresses")
	}
	inside4 := len(place.External) > 0 && place.External[0].Is4() && !mixed
	checkStatic(p, place, inside4)
	c.checkBlocksAt(p, place, inside4)
}

func (c Config) checkPorts(p *judge.Problems) {
	r := c.PortRange.OrDefault()
	if r.First > r.Last {
		return // said by its own check
	}
	switch {
	case c.PortChoice != natmodels.Sequential && c.Step != 0:
		p.Add("step", "%d has no meaning for port choice %v, only for sequential", c.Step, c.PortChoice)
	case c.PortChoice == natmodels.Sequential && c.Step == 0:
		p.Add("step", "sequential port choice needs a step other than 0")
	case c.PortChoice == natmodels.Sequential && (c.Step >= r.Size() || c.Step <= -r.Size()):
		p.Add("step", "%d steps out of the %d ports of %v", c.Step, r.Size(), r)
	}
}

func (c Config) checkTimeouts(p *judge.Problems) {
	if c.Unreplied() > c.Idle() {
		p.Add("unreplied", "%v is longer than the idle timeout of %v: an answer would shorten the life of a mapping", c.Unreplied(), c.Idle())
	}
}

func checkStatic(p *judge.Problems, place natmodels.Place, inside4 bool) {
	internal := make(map[natmodels.StaticMapping]bool, len(place.Static))
	external := make(map[natmodels.StaticMapping]bool, len(place.Static))
	for i, s := range place.Static {
		if s.Protocol != natmodels.UDP && s.Protocol != natmodels.TCP {
			p.Add("static", "forward %d: protocol %v cannot be forwarded, only udp and tcp", i, s.Protocol)
		}
		if problem := judge.AddrProblem(s.Internal.Addr()); problem != "" {
			p.Add("static", "forward %d: internal %v: %s", i, s.Internal.Addr(), problem)
		} else if len(place.External) > 0 && s.Internal.Addr().Is4() != inside4 {
			p.Add("static", "forward %d: internal %v is of another family than the inside", i, s.Internal.Addr())
		}
		if !slices.Contains(place.External, s.External.Addr()) {
			p.Add("static", "forward %d: %v is not one of the external addresses", i, s.External.Addr())
		}
		if s.Internal.Port() == 0 || s.External.Port() == 0 {
			p.Add("static", "forward %d: port 0 cannot be forwarded", i)
		}
		in := natmodels.StaticMapping{Protocol: s.Protocol, Internal: s.Internal}
		ex := natmodels.StaticMapping{Protocol: s.Protocol, External: s.External}
		if internal[in] {
			p.Add("static", "forward %d: %v is forwarded to twice, so its outbound packets could leave from either", i, s.Internal)
		}
		if external[ex] {
			p.Add("static", "forward %d: %v is forwarded twice", i, s.External)
		}
		internal[in], external[ex] = true, true
	}
}

// checkPolicy refuses settings of a Translator that do not go together.
func (c Config) checkPolicy(p *judge.Problems) {
	c.checkPortRules(p)
	c.checkBlocks(p)
	if c.StreamAfter > 0 && c.Unreplied() == c.Idle() {
		p.Add("stream-after", "it tells unreplied from idle, which are the same")
	}
	if c.WellKnownTimeout > max(0, c.Unreplied()) {
		p.Add("well-known", "%v is longer than the timeout of %v of other mappings", c.WellKnownTimeout, c.Unreplied())
	}
	if c.PermissionTimeout > 0 {
		if c.FilterScope == natmodels.PerEndpoint {
			p.Add("permission", "permissions per internal endpoint live as long as their mappings")
		}
		if c.Filtering == natmodels.EndpointIndependent {
			p.Add("permission", "endpoint-independent filtering gives no permissions")
		}
	}
	l := c.Limits
	if c.WhenFull == EvictOldest && (l.PerSubscriber > 0) == (l.Total > 0) {
		p.Add("when-full", "evict-oldest needs one limit, and no more than one")
	}
	c.checkUnderLoad(p)
}

func (c Config) checkUnderLoad(p *judge.Problems) {
	u := c.UnderLoad
	switch {
	case u.Mappings == 0 && u != UnderLoad{}:
		p.Add("under-load", "it begins at no number of mappings")
	case u.Mappings > 0 && u.Mapping == c.Mapping && u.PortChoice == c.PortChoice:
		p.Add("under-load", "it is no different from the behavior without load")
	case u.Mappings > 0 && u.PortChoice == natmodels.Sequential:
		p.Add("under-load", "sequential ports under load are not modelled")
	}
}

func (c Config) checkPortRules(p *judge.Problems) {
	if c.PortChoice == natmodels.Sequential && (c.Parity || c.PortClasses || c.Blocks.Size > 0 || c.ReuseDelay > 0) {
		p.Add("ports", "sequential ports follow their step alone: no parity, classes, blocks or reuse delay")
	}
	if c.Contiguous && c.Mapping != natmodels.EndpointIndependent {
		p.Add("contiguous", "RTP has no one port to stand beside with %v mapping", c.Mapping)
	}
	if c.PortClasses && c.PortRange.OrDefault().First < 1024 {
		p.Add("port-classes", "the range %v reaches into the ports below 1024", c.PortRange)
	}
}

func (c Config) checkBlocks(p *judge.Problems) {
	b := c.Blocks
	switch {
	case b == Blocks{}:
		return
	case b.Size > c.PortRange.Size():
		p.Add("blocks", "%d ports do not fit into %v", b.Size, c.PortRange)
	}
	if c.Pooling != natmodels.Paired {
		p.Add("blocks", "blocks are paired with subscribers, not %v", c.Pooling)
	}
	if c.PortClasses || c.PortChoice == natmodels.Preserve || c.UnderLoad.PortChoice == natmodels.Preserve {
		p.Add("blocks", "a block has not the ports to preserve them, or their class")
	}
}

// checkBlocksAt wants a block for each subscriber.
func (c Config) checkBlocksAt(p *judge.Problems, place natmodels.Place, inside4 bool) {
	b := c.Blocks
	if b == (Blocks{}) || b.problem() != "" {
		return
	}
	if len(place.External) > 0 && b.Subscribers.Addr().Is4() != inside4 {
		p.Add("blocks", "%v is of another family than the inside", b.Subscribers)
	}
	bits := b.Subscribers.Addr().BitLen() - b.Subscribers.Bits()
	room := c.PortRange.Size() / b.Size * len(place.External)
	if bits > 30 || 1<<bits > room {
		p.Add("blocks", "%v has more subscribers than the %d blocks of %d ports on %d addresses", b.Subscribers, room, b.Size, len(place.External))
	}
}

// problem is what is wrong with blocks, whatever the ports.
func (b Blocks) problem() string {
	switch {
	case b == Blocks{}:
	case b.Size < 1:
		return fmt.Sprintf("%d ports are no block", b.Size)
	case !b.Subscribers.IsValid() || b.Subscribers != b.Subscribers.Masked():
		return fmt.Sprintf("%v is not a prefix of subscribers", b.Subscribers)
	}
	return ""
}
