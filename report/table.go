package report

import "github.com/natproof/natproof/scenarios"

// table is the rectangle that both the text and the Markdown report draw.
type table struct {
	corner  string
	columns []string
	rows    []tableRow
}

type tableRow struct {
	name    string
	entries []mark // one a column; the zero mark is a cell that was not played
}

func (m mark) isZero() bool { return m == mark{} }

// table draws the group by its flow.
func (g group) table() table {
	switch g.options.Flow {
	case scenarios.FlowRegister:
		return g.registrations()
	case scenarios.FlowPCToPhone:
		return g.phoneCalls()
	}
	return g.matrix()
}

// matrix has a in rows and b in columns.
func (g group) matrix() table {
	t := table{corner: `a \ b`}
	columns := g.columns()
	for _, b := range columns {
		t.columns = append(t.columns, short(b))
	}
	for _, a := range g.rows() {
		row := tableRow{name: short(a)}
		for _, b := range columns {
			var m mark
			if r, ok := g.at(a, b); ok {
				m = mediaMark(r)
			}
			row.entries = append(row.entries, m)
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// registrations has a row for each NAT and a column for each thing that must
// reach the user agent behind it.
func (g group) registrations() table {
	t := table{corner: "NAT of a", columns: []string{"register response", "incoming INVITE", "200 to INVITE", "ACK", "BYE"}}
	for _, r := range g.results {
		t.rows = append(t.rows, tableRow{name: short(r.Cell.A), entries: []mark{
			stepMark(r, scenarios.RegisterRequestA, scenarios.RegisterResponseA),
			stepMark(r, scenarios.Invite),
			stepMark(r, scenarios.FinalResponse),
			stepMark(r, scenarios.Ack),
			stepMark(r, scenarios.Bye),
		}})
	}
	return t
}

// phoneCalls has a row for each NAT; the other end is the public gateway.
func (g group) phoneCalls() table {
	t := table{corner: "NAT of a", columns: []string{"register response", "INVITE", "200 to INVITE", "ACK, BYE", "media", "RTCP"}}
	for _, r := range g.results {
		t.rows = append(t.rows, tableRow{name: short(r.Cell.A), entries: []mark{
			stepMark(r, scenarios.RegisterRequestA, scenarios.RegisterResponseA),
			stepMark(r, scenarios.Invite),
			stepMark(r, scenarios.FinalResponse),
			stepMark(r, scenarios.Ack, scenarios.Bye),
			streamMark(r, mediaOf, scenarios.RTPAToB, scenarios.RTPBToA),
			streamMark(r, rtcpOf, scenarios.RTCPAToB, scenarios.RTCPBToA),
		}})
	}
	return t
}

func mediaOf(o scenarios.Outcome) scenarios.Direction { return o.Media }
func rtcpOf(o scenarios.Outcome) scenarios.Direction  { return o.RTCP }
