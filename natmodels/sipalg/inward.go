package sipalg

import (
	"net/netip"
	"strings"
)

// inward makes the external address of the flow the internal one again.
type inward struct {
	alg  ALG
	flow Flow
}

// startLine rewrites the request URI, which is the Contact that went out.
func (i inward) startLine(line string) string {
	if strings.HasPrefix(line, "SIP/2.0 ") {
		return line
	}
	return endpoints(line, i.private)
}

func (i inward) header(name, line string) string {
	switch name {
	case "via", "contact", "record-route", "route":
		return endpoints(line, i.private)
	}
	return line
}

// body stays: it describes the other end.
func (i inward) body(sdp string) string { return sdp }

func (i inward) private(e netip.AddrPort) (netip.AddrPort, bool) {
	if e == i.flow.External {
		return i.flow.Internal, true
	}
	return e, false
}
