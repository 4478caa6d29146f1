package ua

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
)

// addrHash tells clients that were given one seed apart.
func addrHash(a netip.AddrPort) uint64 {
	h := fnv.New64a()
	b := a.Addr().As16()
	h.Write(binary.BigEndian.AppendUint16(b[:], a.Port()))
	return h.Sum64()
}

func (c *Client) intN(n int) int {
	c.rngMu.Lock()
	defer c.rngMu.Unlock()
	return c.rng.IntN(n)
}

func (c *Client) uint64() uint64 {
	c.rngMu.Lock()
	defer c.rngMu.Unlock()
	return c.rng.Uint64()
}

// lots is what a session draws from Config.Seed when it is made. What it does afterwards does
// not depend on which of several sessions comes first, such as those that are answered at one
// moment, each on a goroutine of its own.
type lots struct {
	made                uint64 // its number among the sessions of the client
	sdpID               uint64
	firstRTP, firstRTCP int    // pairs of media ports to try first
	seed                uint64 // of media and of dice
}

func (c *Client) draw() lots {
	c.rngMu.Lock()
	defer c.rngMu.Unlock()
	c.made++
	l := lots{made: c.made, sdpID: c.rng.Uint64() >> 2} // fits where a signed number is expected (RFC 8866 section 5.2)
	if pairs := c.mediaPairs(); c.cfg.MediaInTurn {
		l.firstRTP, l.firstRTCP = c.nextPair%pairs, c.nextPair%pairs
		c.nextPair++
	} else {
		l.firstRTP, l.firstRTCP = c.rng.IntN(pairs), c.rng.IntN(pairs)
	}
	l.seed = c.rng.Uint64()
	return l
}

// dice are for what is drawn about the request with a CSeq.
func (l lots) dice(cseq uint32) *rand.Rand { return rand.New(rand.NewPCG(l.seed, uint64(cseq))) }
