package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/natproof/natproof/media"
	"github.com/natproof/natproof/vnet"
)

func (s *Attack) begin(p *play) (string, work) {
	to, err := p.agents[s.Who].announced()
	does := fmt.Sprintf("is sent RTP by a stranger, from %s", s.By)
	return does, func(ctx context.Context) (string, error) {
		if err != nil {
			return "", err
		}
		return "", attack(ctx, p.hosts[s.By], to, time.Duration(s.Every), time.Duration(s.Lasts))
	}
}

// attack sends RTP from a host to an address for some time, and hears what comes back.
func attack(ctx context.Context, host *vnet.Host, to netip.AddrPort, every, lasts time.Duration) error {
	conn, err := host.Listen(netip.AddrPortFrom(host.Addr(), firstMediaPort))
	if err != nil {
		return fmt.Errorf("%w: %w", errCannot, err)
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		b := make([]byte, 2048)
		for {
			if _, _, err := conn.ReadFromUDPAddrPort(b); err != nil {
				return
			}
		}
	}()
	defer func() { conn.Close(); <-heard }()
	if every == 0 {
		every = 20 * time.Millisecond
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; time.Duration(n)*every < lasts; n++ {
		if _, err := conn.WriteToUDPAddrPort(rtp(n), to); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// rtp is the n-th packet of a stream of PCMU, 20 ms each (RFC 3550 §5.1).
func rtp(n int) []byte {
	const version, ssrc, samples = 2 << 6, 0xbadc0de, 160
	b := binary.BigEndian.AppendUint16([]byte{version, media.PCMU}, uint16(n))
	b = binary.BigEndian.AppendUint32(b, uint32(n*samples))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, make([]byte, samples)...)
}
