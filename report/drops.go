package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// Drops gathers what was dropped in a lab, by box and rule, as it happens. Its zero value is ready.
type Drops struct {
	mu  sync.Mutex
	all map[dropKey]*drops
}

// dropKey is what drops have in common: the protocol, who refused it and why.
type dropKey struct {
	box    string
	reason vnet.Reason
	proto  natmodels.Protocol
}

type drops struct {
	key   dropKey
	count int
	first vnet.Event
}

// Add takes an event; those that are no drops, and those after the lab has closed, count for nothing.
func (d *Drops) Add(e vnet.Event) {
	if e.Kind != vnet.Dropped || e.Reason == vnet.HostDown {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[dropKey]*drops{}
	}
	key := dropKey{e.Box, e.Reason, e.Proto}
	have := d.all[key]
	if have == nil {
		e.Payload = nil
		have = &drops{key: key, first: e}
		d.all[key] = have
	}
	have.count++
}

// Len is the number of packets that were dropped.
func (d *Drops) Len() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.all {
		n += x.count
	}
	return n
}

// Write writes what was dropped, a box and a rule a line in the order of the first packets, each with that packet.
func (d *Drops) Write(w io.Writer, o Options) error {
	d.mu.Lock()
	all := slices.SortedFunc(maps.Values(d.all), func(a, b *drops) int { return cmp.Compare(a.first.Seq, b.first.Seq) })
	d.mu.Unlock()
	var b strings.Builder
	if len(all) == 0 {
		b.WriteString("nothing was dropped\n")
	} else {
		b.WriteString(o.paint(heading, "dropped:") + "\n")
	}
	for _, x := range all {
		e := x.first
		times := "once,"
		if x.count > 1 {
			times = fmt.Sprintf("%d times, first", x.count)
		}
		text := fmt.Sprintf("%s %s %s %v -> %v at %s", strings.ToUpper(e.Proto.String()), e.Reason, times, e.Src, e.Dst, seconds(e.At))
		if e.Detail != "" {
			text += ": " + e.Detail
		}
		hangPainted(&b, "  ", e.Box, bad, text, o)
	}
	return flush(w, &b)
}

// mappingsMost is how many mappings of a NAT are shown.
const mappingsMost = 20

// Mappings writes the mappings of a NAT that are alive.
func Mappings(w io.Writer, nat string, all []natmodels.MappingInfo, o Options) error {
	var b strings.Builder
	if len(all) == 0 {
		fmt.Fprintf(&b, "%s has no mappings\n", nat)
		return flush(w, &b)
	}
	b.WriteString(o.paint(heading, "mappings of "+nat+":") + "\n")
	for i, m := range all {
		if i == mappingsMost {
			fmt.Fprintf(&b, "  and %d more\n", len(all)-i)
			break
		}
		fmt.Fprintf(&b, "  %s %v\n", strings.ToUpper(m.Protocol.String()), m)
	}
	return flush(w, &b)
}

// Packets writes a ladder of events that belong to no cell, such as those of a real program.
func Packets(w io.Writer, events []vnet.Event, boxes []stage.Box, o Options) error {
	var b strings.Builder
	drawLadder(&b, events, boxes, o)
	return flush(w, &b)
}
