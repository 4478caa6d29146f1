package serve

import (
	"errors"
	"net"
	"net/netip"

	"github.com/natproof/natproof/internal/sipmsg"
	"github.com/natproof/natproof/servers/sipprobe"
)

// probes are the answers to searches for SIP ALGs: on the registrar's socket, and perhaps on one
// of their own.
type probes struct {
	*sipprobe.Server
	conn      net.PacketConn // nil if there is none of its own
	alternate netip.AddrPort
}

func newProbes(conn net.PacketConn) *probes {
	p := &probes{conn: conn}
	if conn != nil {
		p.alternate = sipmsg.AddrPort(conn.LocalAddr())
	}
	p.Server = sipprobe.New(sipprobe.Config{Other: p.alternate})
	return p
}

func (p *probes) serve() error { return p.Serve(p.conn) }

func (p *probes) close() error {
	err := p.Close()
	if p.conn != nil { // open if Serve never ran
		if e := p.conn.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
