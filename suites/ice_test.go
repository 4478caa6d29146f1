package suites_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	pionstun "github.com/pion/stun/v3"

	"github.com/natproof/natproof/bubble"
	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
	"github.com/natproof/natproof/scenarios/stage"
	"github.com/natproof/natproof/vnet"
)

// pion/ice is a client that knows nothing of natproof. What latching is to
// plain RTP, peer-reflexive candidates are to ICE (RFC 8445 section 7.2.5.3.1),
// so its agents must connect in exactly the cells where media between two
// latching sides is two-way.
var _ = ginkgo.Describe("pion/ice agents as outside clients", ginkgo.Label("flow:ice"), func() {
	for _, a := range cell.Classic() {
		for _, b := range cell.Classic() {
			c := cell.Default(flows.Call, a, b)
			c.Registrar, c.Rport, c.Latch = cell.RegistrarReceived, true, cell.BothSides
			predicted, err := scenarios.Predict(c, nil)
			want := predicted.Media == cell.TwoWay
			word := map[bool]string{true: "connect", false: "cannot connect"}[want]

			ginkgo.It(fmt.Sprintf("%s between %s and %s", word, a, b), ginkgo.Label("nat:"+a, "nat:"+b), func() {
				gomega.Expect(err).NotTo(gomega.HaveOccurred())
				connected, err := iceConnects(c)
				gomega.Expect(err).NotTo(gomega.HaveOccurred())
				gomega.Expect(connected).To(gomega.Equal(want))
			})
		}
	}
})

// iceConnects plays two agents against each other under virtual time.
func iceConnects(c cell.Cell) (connected bool, err error) {
	leak := bubble.Run(func() { connected, err = iceInBubble(c) })
	return connected, errors.Join(err, leak)
}

func iceInBubble(c cell.Cell) (connected bool, err error) {
	lab, err := vnet.New(vnet.Config{Seed: 1, DiscardTrace: true})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	world, err := stage.NewWorld(lab, c, 1, stage.DefaultLink)
	if err != nil {
		return false, err
	}
	stop, err := world.ServeSTUN()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, stop()) }()

	caller, err := newAgent(world.A, world.STUN.Addr())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, caller.Close()) }()
	callee, err := newAgent(world.B, world.STUN.Addr())
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, callee.Close()) }()
	if err := introduce(caller, callee); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	accepted := make(chan error, 1)
	ufragA, pwdA, _ := caller.GetLocalUserCredentials()
	ufragB, pwdB, _ := callee.GetLocalUserCredentials()
	go func() {
		_, err := callee.Accept(ctx, ufragA, pwdA)
		accepted <- err
	}()
	_, dialErr := caller.Dial(ctx, ufragB, pwdB)
	if dialErr != nil {
		cancel()
	}
	acceptErr := <-accepted
	switch {
	case dialErr == nil && acceptErr == nil:
		return true, nil
	case errors.Is(dialErr, ice.ErrCanceledByCaller) && ctx.Err() != nil:
		return false, nil // they tried for a minute, with what they had gathered
	}
	return false, errors.Join(dialErr, acceptErr)
}

// introduce gathers candidates on both sides and hands each the other's.
func introduce(x, y *ice.Agent) error {
	gather := func(from *ice.Agent) ([]ice.Candidate, error) {
		done := make(chan struct{})
		if err := from.OnCandidate(func(c ice.Candidate) {
			if c == nil {
				close(done)
			}
		}); err != nil {
			return nil, err
		}
		if err := from.GatherCandidates(); err != nil {
			return nil, err
		}
		<-done
		return from.GetLocalCandidates()
	}
	for _, pair := range [][2]*ice.Agent{{x, y}, {y, x}} {
		candidates, err := gather(pair[0])
		if err != nil {
			return err
		}
		if len(candidates) < 1 {
			return errors.New("no candidates")
		}
		for _, c := range candidates {
			remote, err := ice.UnmarshalCandidate(c.Marshal())
			if err != nil {
				return err
			}
			if err := pair[1].AddRemoteCandidate(remote); err != nil {
				return err
			}
		}
	}
	return nil
}

func newAgent(host *vnet.Host, server netip.Addr) (*ice.Agent, error) {
	return ice.NewAgent(&ice.AgentConfig{
		Net:              host,
		NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
		CandidateTypes:   []ice.CandidateType{ice.CandidateTypeHost, ice.CandidateTypeServerReflexive},
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
		Urls:             []*pionstun.URI{{Scheme: pionstun.SchemeTypeSTUN, Host: server.String(), Port: 3478, Proto: pionstun.ProtoTypeUDP}},
		LoggerFactory:    &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled},
	})
}
