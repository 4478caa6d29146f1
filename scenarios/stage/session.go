package stage

import (
	"github.com/natproof/natproof/scenarios/cell"
	"github.com/natproof/natproof/ua"
)

// sessionTimer is what the user agent makes of RFC 4028. The caller says who refreshes.
func sessionTimer(c cell.Cell, side cell.Side) ua.SessionTimer {
	if !c.Flow.Uses(cell.KeySession) {
		return ua.SessionTimer{}
	}
	t := ua.SessionTimer{Expires: c.Session.Time()}
	if caller, ok := c.Flow.(interface{ Calls() cell.Side }); ok && caller.Calls() == side {
		t.Refresher = map[cell.Role]ua.Refresher{cell.Caller: ua.LocalRefresher, cell.Callee: ua.PeerRefresher}[c.Refresher]
	}
	return t
}

// refreshesBy says whether sessions are refreshed, and by that request.
func refreshesBy(c cell.Cell, what cell.RefreshBy) bool {
	return c.Flow.Uses(cell.KeySession) && c.RefreshBy == what
}
