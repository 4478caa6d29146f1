package world

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/scenarios/stage"
)

// full are the full names of the servers.
var full = map[string]netip.Addr{
	"registrar": cell.ProxyAddr,
	"stun":      cell.STUNAddr,
	"stun-alt":  cell.STUNAltAddr,
	"gateway":   cell.GatewayAddr,
	Echo:        echoAddr,
	DNS:         dnsAddr,
}

// Hosts are the names of the world: that of the domain is the registrar's, the others there are alone and below it.
func Hosts() map[string]netip.Addr {
	all := map[string]netip.Addr{cell.Domain: cell.ProxyAddr}
	for name, a := range full {
		all[name], all[name+"."+cell.Domain] = a, a
	}
	return all
}

// Env says in the environment of a program what is where, as NAME=value.
func (w *World) Env() []string {
	values := map[string]string{
		"DOMAIN":    cell.Domain,
		"REGISTRAR": registrarAt.String(),
		"STUN":      stage.STUNServer.String(),
		"STUN_ALT":  stage.STUNAlternate.String(),
		"GATEWAY":   gatewayAt.String(),
		"NUMBER":    cell.PhoneNumber,
		"ECHO":      "sip:" + Echo + "@" + cell.Domain,
		"DNS":       netip.AddrPortFrom(dnsAddr, dnsPort).String(),
		"ADDRESS":   w.Program.Addr().String(),
		"USER":      w.cfg.User,
		"PASSWORD":  w.cfg.Password,
		"URI":       "sip:" + w.cfg.User + "@" + cell.Domain,
	}
	var all []string
	for name, value := range values {
		all = append(all, fmt.Sprintf("NATPROOF_%s=%s", name, value))
	}
	slices.SortFunc(all, strings.Compare)
	return all
}
