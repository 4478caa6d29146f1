package stage

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// Describer is an endpoint that tells where it said that it wants the RTP of its last call.
type Describer interface {
	Announced() (rtp netip.AddrPort, ok bool)
}

// Describes is the word for it.
const Describes = "describes"

// Announced is where the last call wants RTP.
func (a *agent) Announced() (netip.AddrPort, bool) {
	s, err := a.latest()
	if err != nil {
		return netip.AddrPort{}, false
	}
	for _, m := range s.Mappings() {
		if m.Type == ua.AudioRTP {
			return m.External, true
		}
	}
	return netip.AddrPort{}, false
}

// attacked says whether the flow of a cell has a stranger in it who attacks an end.
func attacked(c cell.Cell, side cell.Side) bool {
	f, ok := c.Flow.(interface{ Attacks(cell.Side) bool })
	return ok && f.Attacks(side)
}

// addStranger puts one beside the servers, if the flow has one.
func (w *World) addStranger(c cell.Cell, site *vnet.Site) (err error) {
	if !attacked(c, cell.A) && !attacked(c, cell.B) {
		return nil
	}
	if w.Stranger, err = site.AddHost(cell.BoxStranger, cell.StrangerAddr); err == nil {
		w.box(cell.BoxStranger, RoleServer, cell.StrangerAddr)
	}
	return err
}

// serversLink keeps media off the beat of the SIP that begins it, where a stranger is to come between
// two packets: on links of 10 ms all would come at the very instants at which a phone sends.
func serversLink(c cell.Cell) vnet.LinkConfig {
	if attacked(c, cell.A) || attacked(c, cell.B) {
		return vnet.LinkConfig{Latency: 3 * time.Millisecond}
	}
	return vnet.LinkConfig{}
}

// packet is the n-th of an RTP stream of PCMU (RFC 3550 §5.1), 20 ms each.
func packet(n int) []byte {
	const version, ssrc, samples = 2 << 6, 0xbadc0de, 160
	b := binary.BigEndian.AppendUint16([]byte{version, media.PCMU}, uint16(n))
	b = binary.BigEndian.AppendUint32(b, uint32(n*samples))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, make([]byte, samples)...)
}

// Attack has the stranger send RTP to an address for some time, and hear what comes back.
func (w *World) Attack(to netip.AddrPort, every, lasts time.Duration) error {
	conn, err := w.Stranger.Listen(netip.AddrPortFrom(w.Stranger.Addr(), cell.RTPPort))
	if err != nil {
		return fmt.Errorf("stage: stranger: %w", err)
	}
	go func() { // until the lab closes the socket
		b := make([]byte, 2048)
		for {
			if _, _, err := conn.ReadFromUDPAddrPort(b); err != nil {
				return
			}
		}
	}()
	for n := 0; time.Duration(n)*every < lasts; n++ {
		b := packet(n)
		if _, err := conn.WriteToUDPAddrPort(b, to); err != nil {
			return fmt.Errorf("stage: stranger: %w", err)
		}
		time.Sleep(every)
	}
	return nil
}
