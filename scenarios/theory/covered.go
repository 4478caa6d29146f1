package theory

import (
	"errors"
	"fmt"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/cell"
)

// A flow lasts up to two minutes beside its talk, most of that for registrations that fail,
// and no mapping may end in it that anybody will ask for. Where the next mapping has the same
// port, or nobody asks for an old one, it is a call being set up that it must last; and so where a
// port manager asks again by each mapping before it can end, and no ALG has opened others. An end
// that talks keeps the mappings of media by packets, the rarest of which are the reports of
// RTCP, every 6.2 s at most (RFC 3550 §6.3.1). What becomes of the mapping of SIP meanwhile
// is told by the course of events. Without media that is all there is to tell.
const (
	flowIdle   = 108 * time.Second
	callIdle   = 30 * time.Second
	silentIdle = 18 * time.Second
	reportIdle = 10 * time.Second
	mediaSetUp = 1500 * time.Millisecond
)

// settled is how long an end that has asked for an hour refreshes neither a registration nor a
// subscription.
const settled = 50 * time.Minute

// oftenest is the least time after which an end asks its STUN server again (RFC 5626 §4.4.2).
const oftenest = 24 * time.Second

// enough is how many mappings an end never needs: three sockets that send to a STUN server, the
// proxy and the two addresses that a peer is seen at, and what an ALG opens.
const enough = 64

// covered refuses what would need a theory of its own.
func covered(cfg Config, e End) error {
	if err := coveredNAT(cfg, e); err != nil {
		return err
	}
	if e.Carrier != nil {
		over := e
		over.NAT = *e.Carrier
		if err := coveredNAT(cfg, over); err != nil {
			return fmt.Errorf("%s: %w", cell.BoxCarrier, err)
		}
		if !e.Carrier.Translates() {
			return fmt.Errorf("%s: it does not translate", cell.BoxCarrier)
		}
	}
	return errors.Join(coveredCrowd(cfg, e), coveredTogether(cfg, e), coveredDescriptions(cfg, e), coveredLearning(cfg, e))
}

// coveredTogether refuses what NATs that are stacked or shared do to each other beyond the rules.
func coveredTogether(cfg Config, e End) error {
	stacked, shared := e.Carrier != nil, cfg.OneNAT || cfg.Neighbour || cfg.Crowd > 1 || cfg.A.Carrier != nil && cfg.A.Carrier == cfg.B.Carrier
	if !stacked && !shared {
		return nil
	}
	for _, b := range []*natmodels.Behavior{&e.NAT, e.Carrier} {
		switch {
		case b == nil:
		case b.Unsolicited == natmodels.LocalEntry && e.Side != "":
			return errors.New("a box where packets that come too early take a port, beside other NATs or hosts")
		case shared && b.PortChoice == natmodels.Preserve && b.Translates():
			return errors.New("a port that must be preserved, and several hosts that want it")
		case shared && cfg.Policy == cell.RegistrarIPOnly && e.Traits.Address == Bound && e.Side != "":
			return errors.New("a proxy that takes the port of a Contact for that of the NAT, where another host answers on it")
		case (cfg.Neighbour || cfg.Crowd > 1) && b.Translates() && forgets(*b, callIdle):
			return errors.New("a port that falls free while another host asks for it in vain")
		case shared && cfg.Talk > 0 && b.Hairpin == natmodels.InternalSource && stacked:
			return errors.New("hairpinning with the internal source, between NATs of one carrier")
		}
	}
	switch {
	case cfg.Loses && cfg.OneNAT:
		return errors.New("losses on a link that both ends have in common")
	case cfg.Forwards:
		return errors.New("port forwards in a NAT that is behind another, or has several hosts")
	case cfg.ALG != nil:
		return errors.New("SIP ALGs in NATs that are stacked, or have several hosts")
	}
	return nil
}

func coveredNAT(cfg Config, e End) error {
	b, static := e.NAT, e.Traits.Address == Forwarded
	linux := cfg.ALG != nil && cfg.ALG.Linux
	switch {
	case cfg.Watched && cfg.ALG != nil:
		return errors.New("what happens in a call whose addresses an ALG has rewritten")
	case b.Kind == natmodels.Router:
		return nil
	case b.Kind != natmodels.Translator && b.Kind != natmodels.Conntrack:
		return fmt.Errorf("a %v", b.Kind)
	case b.Pooling != natmodels.Paired:
		return errors.New("external addresses chosen arbitrarily (RFC 4787 §4.1)")
	case len(b.Unforeseen) > 0:
		return fmt.Errorf("the setting %q, for which theory has no rule", b.Unforeseen[0])
	case b.Mappings != 0 && b.Mappings < enough, b.Ports != 0 && b.Ports < enough:
		return errors.New("fewer mappings or ports than a flow may need (RFC 6888 REQ-4)")
	case cfg.ALG != nil && cfg.Change != "" && cfg.Change != cell.ChangeNone && (e.Traits.Address != Bound || answered(cfg.KeepAlive)):
		return errors.New("what an ALG makes of an end that knows its mapping, when that is another")
	case static && b.Kind == natmodels.Conntrack:
		return errors.New("port forwards of a box that tracks connections")
	case static:
		return nil
	case cfg.Forwards:
		return errors.New("port forwards, but the port manager is not the one that knows them")
	case b.Unsolicited == natmodels.LocalEntry && cfg.ALG != nil:
		return errors.New("a SIP helper in a box where packets that come too early take a port")
	case b.SIPHelper && !linux:
		return errors.New("a SIP helper by its name: use linux-masquerade with alg=linux")
	case b.Kind == natmodels.Conntrack && cfg.ALG != nil && !linux:
		return errors.New("an ALG other than linux beside a box that tracks connections")
	case b.Kind == natmodels.Conntrack && b.FilterScope == natmodels.PerEndpoint:
		return errors.New("filters that remember per endpoint, in a box that tracks connections")
	case cfg.Talk > 0 && (forgets(b, needed(cfg, e)) || b.Refresh == natmodels.RefreshInbound):
		return errors.New("mappings that can expire while the flow is played (RFC 4787 §4.3)")
	case cfg.Watched && cfg.When == cell.WhenRinging && cfg.Change == cell.ChangeBehaviour && forgets(b, cfg.Ring+cfg.Talk):
		return errors.New("mappings that a change of behaviour has left, and that can expire in the call (RFC 4787 §4.3)")
	case b.PortChoice == natmodels.Preserve && e.Traits.asks() && b.Mapping != natmodels.EndpointIndependent:
		return errors.New("a port that must be preserved and is already held by the mapping towards the STUN server")
	case b.PortChoice == natmodels.Preserve && !b.PreservesPort(cell.SIPPort):
		return errors.New("a port that must be preserved and is out of range")
	case b.Refresh == natmodels.RefreshInbound && forgets(b, flowIdle):
		return errors.New("mappings that end while a request is repeated, which does not keep them (RFC 4787 REQ-6)")
	case cfg.ALG != nil && (cfg.Change == cell.ChangeBehaviour || cfg.Talk > 0 && cfg.Change != "" && cfg.Change != cell.ChangeNone):
		return errors.New("what an ALG takes for the mapping of an end, when the NAT is another than before")
	case e.Traits.Address == Asked && (cfg.Idle > 0 || cfg.Loses) && b.Refresh != natmodels.RefreshInbound && forgets(b, oftenest):
		return errors.New("a mapping that ends before the STUN server is asked again, and is there anew (RFC 4787 §4.3)")
	case b.FilterScope == natmodels.PerEndpoint && cfg.Loses && cfg.Idle > 0 && forgets(b, flowIdle+cfg.Idle):
		return errors.New("filters that remember per endpoint, where the last copies of a request decide")
	case cfg.ALG != nil && (e.Traits.Address == Asked || cfg.Loses || answered(cfg.KeepAlive)) && cfg.Idle > 0 && forgets(b, flowIdle+cfg.Idle):
		return errors.New("what an ALG has opened, and expires while the phone is idle")
	case b.FilterScope == natmodels.PerEndpoint && cfg.Change == cell.ChangeBehaviour:
		return errors.New("filters that remember per endpoint, when the NAT is another than before")
	case cfg.ALG != nil && cfg.ALG.Double && cfg.Idle > 0 && (cfg.Change != "" && cfg.Change != cell.ChangeNone || forgets(b, flowIdle+cfg.Idle)),
		cfg.ALG != nil && cfg.ALG.Double && cfg.Policy == cell.RegistrarAnotherSource && forgets(b, flowIdle):
		return errors.New("what an ALG has opened, and expires while the phone is idle")
	case cfg.ALG != nil && cfg.ALG.Double && b.Mapping != natmodels.EndpointIndependent && b.PortChoice == natmodels.PreserveElseRandom:
		return errors.New("an ALG that takes the port of one mapping for another's")
	}
	return nil
}

// answered says whether somebody answers such keepalives.
func answered(k cell.KeepAlive) bool { return k == cell.KeepAliveSTUN || k == cell.KeepAliveOPTIONS }

// forgets says whether a mapping through which a STUN server was asked, and answered, is gone
// after so much silence.
func forgets(b natmodels.Behavior, silence time.Duration) bool {
	const answered = time.Second
	asked := []Use{{At: 0}, {At: answered, Inbound: true}}
	return !Alive(b, asked, silence-time.Nanosecond)
}

// needed is how long a mapping must live for the flow not to notice.
func needed(cfg Config, e End) time.Duration {
	cfg.Talk += cfg.Ring
	same := e.NAT.Mapping == natmodels.EndpointIndependent && e.NAT.PreservesPort(cell.SIPPort)
	unasked := e.Traits.Address == Bound || cfg.Rport && e.Traits.Rport && policies[cfg.Policy].bySource()
	switch {
	case same && !e.Traits.Silent && cfg.ALG == nil:
		return reportIdle
	case same && !e.Traits.Silent && e.NAT.Tracks(): // the hole of an ALG may be used from one side only
		return max(reportIdle, cfg.Talk-2*time.Second)
	case same && !e.Traits.Silent:
		return max(reportIdle, cfg.Talk+mediaSetUp)
	case same || e.Traits.Silent && (unasked || cfg.ALG == nil):
		return silentIdle + cfg.Talk
	case unasked && cfg.ALG != nil:
		return max(callIdle, cfg.Talk+mediaSetUp)
	case unasked, cfg.ALG == nil && !e.Traits.Silent:
		return callIdle
	}
	return flowIdle + cfg.Talk
}
