package suites_test

import (
	"context"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/flows"
)

// What becomes of a phone that nobody wants for a while, in sentences.
var _ = ginkgo.Describe("A phone that is idle", ginkgo.Label("flow:idle-then-called"), func() {
	for _, x := range []struct {
		says, id string
		rule     cell.Rule // of the INVITE, empty if it arrives
		copy     int       // of it that gets through, and which theory says; 0 says nothing
		theory   int
	}{
		{"is lost behind Linux after 20 minutes",
			"idle-then-called/local[a=linux-masquerade,registrar=received,rport=true,idle=20m]", cell.RuleExpired, 0, 0},
		{"is held by CRLF every 25 s",
			"idle-then-called/local[a=linux-masquerade,registrar=received,rport=true,idle=20m,keepalive=crlf]", "", 0, 0},
		{"and not by CRLF every two minutes, of a connection that never became a stream",
			"idle-then-called/local[a=linux-masquerade,registrar=received,rport=true,idle=5m,keepalive=crlf,interval=2m]", cell.RuleExpired, 0, 0},
		{"is not held by a STUN server elsewhere, which is not the proxy",
			"idle-then-called/stun[a=linux-masquerade,registrar=received,rport=true,idle=20m]", cell.RuleFiltered, 0, 0},
		{"behind a timer of 10 s is reached by the third copy of the INVITE, after a keepalive: on slower links it would be the first",
			"idle-then-called/local[a=mikrotik,registrar=received,rport=true,idle=47s,keepalive=crlf]", "", 3, 0},
		{"or by the fourth, on all links, as theory says",
			"idle-then-called/local[a=mikrotik,registrar=received,rport=true,idle=45s,keepalive=crlf]", "", 4, 4},
		{"is lost when its NAT restarts and nothing is sent",
			"idle-then-called/local[a=port-restricted,registrar=received,rport=true,change=restart]", cell.RuleFlushed, 0, 0},
		{"is found again when OPTIONS show another mapping, and it registers anew",
			"idle-then-called/local[a=symmetric,registrar=received,rport=true,keepalive=options,change=restart]", "", 0, 0},
		{"is not found by CRLF, which show nothing",
			"idle-then-called/local[a=symmetric,registrar=received,rport=true,keepalive=crlf,change=restart]", cell.RuleFlushed, 0, 0},
		{"is lost with the address of its NAT",
			"idle-then-called/local[a=full-cone,registrar=received,rport=true,keepalive=crlf,change=renumber]", cell.RuleNoRoute, 0, 0},
	} {
		ginkgo.It(x.says, func() {
			c, err := scenarios.ParseID(x.id)
			gomega.Expect(err).NotTo(gomega.HaveOccurred())
			r := scenarios.Run(context.Background(), c, scenarios.RunOptions{Seed: seed})
			gomega.Expect(r.Err).NotTo(gomega.HaveOccurred())
			gomega.Expect(r.Surprises()).To(gomega.BeEmpty())
			invite, _ := r.Observed.Step(flows.Invite)
			gomega.Expect(invite.Cause.Rule).To(gomega.Equal(x.rule), r.Cause)
			if x.copy != 0 {
				predicted, _ := r.Predicted.Step(flows.Invite)
				gomega.Expect([]int{invite.Copy, predicted.Copy}).To(gomega.Equal([]int{x.copy, x.theory}))
			}
		})
	}
})
