package certify

import (
	"fmt"
	"time"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/scenarios/cell"
)

// keeps are the kinds of keepalive by what is seen of them.
var keeps = []struct {
	value string
	is    is
}{
	{string(cell.KeepAliveCRLF), func(s *sighting) bool { return s.kind == sipmsg.Keepalive && s.Payload[0] != 0 }},
	{string(cell.KeepAliveZero), func(s *sighting) bool { return s.kind == sipmsg.Keepalive && s.Payload[0] == 0 }},
	{string(cell.KeepAliveSTUN), func(s *sighting) bool { return s.kind == sipmsg.STUN || s.kind == sipmsg.ClassicSTUN }},
	{string(cell.KeepAliveOPTIONS), method("OPTIONS")},
}

// kept are the keepalives that the phone sent to the proxy in the idle time.
func (e evidence) kept() (value string, all []*sighting) {
	t := e[probeIdle]
	begun := t.times[partIdle]
	for _, k := range keeps {
		if found := t.every(phone, toward(cell.ProxyAddr), since(begun), until(t.times[partEnd]), k.is); len(found) > 0 {
			return k.value, found
		}
	}
	return "", nil
}

func (e evidence) keepAlive() Finding {
	t := e[probeIdle]
	waited := (t.times[partEnd] - t.times[partIdle]).Round(time.Second)
	value, all := e.kept()
	switch {
	case t.said["register"] != nil || waited == 0:
		return unknown(string(cell.KeepAliveNone), "it did not register")
	case len(all) > 0:
		return seen(value, all[0].shows("%d bytes, %v after the registration", len(all[0].Payload), (all[0].At-t.times[partIdle]).Round(time.Second)))
	}
	if r := t.every(phone, method("REGISTER"), since(t.times[partIdle])); len(r) > 1 {
		f := seen("register", r[0].shows("REGISTER, %d times in %v, though an hour was granted", len(r), waited))
		f.Beyond, f.Assumed = "REGISTER as a keepalive", string(cell.KeepAliveOPTIONS)
		return f
	}
	return told(string(cell.KeepAliveNone), fmt.Sprintf("it sent the proxy nothing in %v", waited))
}

func (e evidence) interval() Finding {
	_, all := e.kept()
	t := e[probeIdle]
	switch {
	case len(all) == 0:
		return told("-", "there are no keepalives")
	case len(all) == 1 && all[0].At-t.times[partIdle] > time.Second:
		return seen((all[0].At - t.times[partIdle]).Round(time.Second).String(), all[0].shows("the first after the registration, and the only one"))
	case len(all) == 1:
		return unknown("25s", "there was one keepalive only")
	}
	f := seen(between(all).String(), all[len(all)-1].shows("the last of %d keepalives", len(all)))
	least, most := mark(1<<62), mark(0)
	for i := range all[1:] {
		d := all[i+1].At - all[i].At
		least, most = min(least, d), max(most, d)
	}
	if most-least > time.Second {
		f.Why = fmt.Sprintf("between %v and %v", least.Round(time.Second), most.Round(time.Second))
	}
	return f
}
