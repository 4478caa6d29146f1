package stage

import (
	"fmt"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/wire"
)

// addCrowd puts the other phones of a flow that has many on the local network of a.
func (w *World) addCrowd(c cell.Cell) error {
	if !c.Flow.Uses(cell.KeyPhones) {
		return nil
	}
	at := w.A.Addr()
	for i := 1; i < c.Phones.Int(); i++ {
		at = at.Next()
		host, err := w.site.AddHost(fmt.Sprintf("%s-%d", cell.BoxBeside, i), at)
		if err != nil {
			return err
		}
		w.Crowd = append(w.Crowd, host)
	}
	return nil
}

// CrowdEndpoint starts the phone of a host of the crowd, which is like that of a.
func (w *World) CrowdEndpoint(c cell.Cell, i int, phone Phone, seed uint64) (Endpoint, error) {
	host := w.Crowd[i]
	return phone.New(Setup{
		Cell: c, Side: Beside, Host: host,
		URI:   "sip:" + host.Name() + "@" + cell.Domain,
		Proxy: cell.ProxyOf(c), STUN: STUNServer,
		SIPPort: cell.SIPPort, RTPPort: cell.RTPPort, Lines: lines(c),
		Media: c.HasMedia(), Seed: seed + uint64(i) + 1, Tell: func(wire.Told) {},
	})
}
