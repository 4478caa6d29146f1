package calibrate

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/natmodels"
)

// A Setting is one setting for people to read.
type Setting struct {
	Name, Value string
	// Source is the requirement that the setting is about, or empty.
	Source string
}

// settings gathers those there are to show.
type settings []Setting

func (s *settings) add(name, source, format string, args ...any) {
	*s = append(*s, Setting{name, fmt.Sprintf(format, args...), source})
}

// duration adds one that is not zero.
func (s *settings) duration(name, source string, d time.Duration) {
	if d != 0 {
		s.add(name, source, "%s", short(d))
	}
}

// flag adds one that is on.
func (s *settings) flag(name, source string, on bool) {
	if on {
		s.add(name, source, "yes")
	}
}

// Settings are those of a NAT: the behaviours and timers of UDP with their
// defaults filled in, and of the rest what is not the default.
func Settings(c natmodels.Config) []Setting {
	var s settings
	s.add("kind", "", "%v", c.Kind)
	if c.Kind != natmodels.Router {
		s.udp(c)
	}
	s.ports(c)
	s.timers(c)
	s.others(c)
	return s
}

func (s *settings) udp(c natmodels.Config) {
	ports := c.PortChoice.String()
	if c.PortChoice == natmodels.Sequential {
		ports += fmt.Sprintf(", step %+d", c.Step)
	}
	if c.PortRange != (natmodels.PortRange{}) {
		ports += " in " + c.PortRange.String()
	}
	s.add("mapping", "RFC 4787 section 4.1, REQ-1", "%v", c.Mapping)
	s.add("filtering", "RFC 4787 section 5, REQ-8", "%v", c.Filtering)
	s.add("filter scope", "RFC 4787 section 5", "%v", c.FilterScope)
	s.add("ports", "RFC 4787 section 4.2, REQ-3", "%s", ports)
	s.add("pooling", "RFC 4787 section 4.1, REQ-2", "%v", c.Pooling)
	s.add("hairpinning", "RFC 4787 section 6, REQ-9", "%v", c.Hairpin)
	s.add("idle timeout", "RFC 4787 section 4.3, REQ-5", "%s", short(c.Idle()))
	s.add("unreplied timeout", "RFC 4787 section 4.3, REQ-5", "%s", short(c.Unreplied()))
	s.add("refresh", "RFC 4787 section 4.3, REQ-6", "%v", c.Refresh)
	s.add("unsolicited", "", "%v", c.Unsolicited)
}

func (s *settings) ports(c natmodels.Config) {
	s.flag("parity", "RFC 4787 section 4.2.2, REQ-4", c.Parity)
	s.flag("contiguous pairs", "RFC 4787 section 4.2.3", c.Contiguous)
	s.flag("port classes", "RFC 4787 section 4.2.1, REQ-3a", c.PortClasses)
	s.duration("reuse delay", "RFC 6888 REQ-8", c.ReuseDelay)
	if b := c.Blocks; b.Size != 0 {
		s.add("blocks", "RFC 6888 REQ-4", "%d ports for each of %v", b.Size, b.Subscribers)
	}
	for _, p := range c.Prefixes {
		s.add("prefix", "RFC 6296", "%v is %v outside", p.Internal, p.External)
	}
	if c.NAT64.IsValid() {
		s.add("nat64", "RFC 6146", "%v", c.NAT64)
	}
	for _, f := range c.Static {
		s.add("forward", "", "%v %v to %v", f.Protocol, f.External, f.Internal)
	}
}

func (s *settings) timers(c natmodels.Config) {
	s.duration("stream after", "", c.StreamAfter)
	s.duration("well-known ports", "RFC 4787 section 4.3, REQ-5a", c.WellKnownTimeout)
	s.duration("permission timeout", "", c.PermissionTimeout)
	if t := c.TCP; t.Own {
		s.add("TCP mapping", "RFC 5382 REQ-1", "%v", t.Mapping)
		s.add("TCP filtering", "RFC 5382 REQ-3", "%v", t.Filtering)
	}
	s.duration("TCP established", "RFC 5382 REQ-5", c.TCP.Established)
	s.duration("TCP partially open", "RFC 7857 section 2.1", c.TCP.PartiallyOpen)
	s.duration("TCP closing", "RFC 5382 REQ-5", c.TCP.Closing)
	s.duration("TCP reset", "RFC 7857 section 2.2", c.TCP.Reset)
	if c.TCP.SYN != natmodels.DropSYN {
		s.add("unsolicited SYN", "RFC 5382 REQ-4", "%v", c.TCP.SYN)
	}
	s.duration("ICMP timeout", "RFC 5508 REQ-2", c.ICMPTimeout)
	if t := c.Tracking; t != (natmodels.TrackingTimers{}) {
		s.duration("tracking ICMP", "", t.ICMP)
		s.duration("tracking SYN sent", "", t.SYNSent)
		s.duration("tracking SYN received", "", t.SYNReceived)
		s.duration("tracking established", "", t.Established)
		s.duration("tracking FIN wait", "", t.FINWait)
		s.duration("tracking close wait", "", t.CloseWait)
		s.duration("tracking last ACK", "", t.LastACK)
		s.duration("tracking time wait", "", t.TimeWait)
		s.duration("tracking close", "", t.Close)
		s.duration("tracking SYN both ways", "", t.SYNSent2)
		s.duration("tracking unacknowledged", "", t.Unacknowledged)
	}
}

func (s *settings) others(c natmodels.Config) {
	if c.Limits != (natmodels.Limits{}) {
		s.add("limits", "RFC 6888 REQ-4", "%v", c.Limits)
	}
	if c.WhenFull != natmodels.RefuseSilently {
		s.add("when full", "RFC 6888 REQ-11", "%v", c.WhenFull)
	}
	if u := c.UnderLoad; u != (natmodels.UnderLoad{}) {
		s.add("under load", "RFC 4787 section 7, REQ-11", "from %d mappings on: %v mapping, ports %v", u.Mappings, u.Mapping, u.PortChoice)
	}
	s.flag("passes invalid", "", c.PassInvalid)
	s.flag("SIP helper", "", c.SIPHelper)
	if len(c.External) > 0 {
		s.add("external", "", "%v", c.External)
	}
	if c.Seed != 0 {
		s.add("seed", "", "%d", c.Seed)
	}
}
