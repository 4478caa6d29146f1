package serve

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/natproof/natproof/servers/gateway"
	"github.com/natproof/natproof/servers/stun"
)

// A row says which metric a counter of a server is.
type row struct {
	field string // of the server's Stats
	name  string // of the metric, without the server's
	label string // its value for the label outcome; a field by code has the label code
	gauge bool
	help  string
}

const (
	datagrams     = "datagrams_total"
	datagramsHelp = "Datagrams received, by what became of them."
)

func outcome(field, label string) row {
	return row{field: field, name: datagrams, label: label, help: datagramsHelp}
}

var registrarRows = []row{
	outcome("Keepalives", "keepalive"), outcome("NotSIP", "not_sip"), outcome("STUN", "stun"), outcome("Oversize", "oversize"),
	outcome("Malformed", "malformed"), outcome("Panicked", "panicked"), outcome("Requests", "request"), outcome("Responses", "response"),
	outcome("Absorbed", "absorbed"), outcome("AcksForwarded", "ack_forwarded"), outcome("AcksUnmatched", "ack_unmatched"),
	outcome("ResponsesUnmatched", "response_unmatched"),
	{field: "Registrations", name: "registrations_total", help: "REGISTER requests that changed or confirmed bindings."},
	{field: "Queries", name: "queries_total", help: "REGISTER requests without Contact."},
	{field: "Bindings", name: "bindings", gauge: true, help: "Bindings alive."},
	{field: "Rejected", name: "refused_requests_total", help: "Requests that the server refused, by status code."},
	{field: "Subscriptions", name: "subscriptions", gauge: true, help: "Subscriptions to the server's agents alive."},
	{field: "Publications", name: "publications", gauge: true, help: "Publications alive."},
	{field: "Notified", name: "notifications_total", help: "NOTIFY requests sent, repetitions not counted."},
	{field: "NotifyFailed", name: "notifications_failed_total", help: "NOTIFY requests that were refused or not answered."},
	{field: "Pings", name: "pings_total", help: "Pings sent to bindings."},
	{field: "PingsAnswered", name: "pings_answered_total", help: "Pings that were answered."},
	{field: "PingsUnanswered", name: "pings_unanswered_total", help: "Pings that were not answered."},
	{field: "Unreachable", name: "unreachable_bindings_total", help: "Bindings removed since nobody answered."},
	{field: "RequestsForwarded", name: "forwarded_requests_total", help: "Requests sent on, each branch counted once."},
	{field: "ResponsesForwarded", name: "forwarded_responses_total", help: "Responses sent on."},
	{field: "Retransmitted", name: "retransmissions_total", help: "Messages sent again."},
	{field: "TimedOut", name: "timeouts_total", help: "Branches without an answer."},
	{field: "WriteErrors", name: "write_errors_total", help: "Messages that did not leave."},
	{field: "ReadErrors", name: "read_errors_total", help: "Reads that failed."},
	{field: "StoreErrors", name: "store_errors_total", help: "Changes that the store did not keep."},
	{field: "Transactions", name: "transactions", gauge: true, help: "Transactions alive, finished ones that absorb repetitions included."},
}

// gatewayRows leaves out those that are sums of others, and those of a user agent with an account.
var gatewayRows = []row{
	outcome("STUN", "stun"), outcome("Pings", "keepalive"), outcome("Oversize", "oversize"), outcome("Malformed", "malformed"),
	outcome("BadRequests", "bad_request"), outcome("Served", "served"), outcome("Retransmits", "repeated"), outcome("ACKs", "ack"),
	outcome("StrayACKs", "stray_ack"), outcome("Answers", "response"), outcome("Unmatched", "response_unmatched"), outcome("ForeignVia", "foreign_via"),
	{field: "Sent", name: "sent_messages_total", help: "SIP messages sent, repetitions included."},
	{field: "Requests", name: "requests_total", help: "SIP requests received, repetitions included."},
	{field: "Responses", name: "responses_total", help: "SIP responses received, repetitions included."},
	{field: "Invites", name: "invites_total", help: "INVITEs that would begin a call, repetitions not counted."},
	{field: "Answered", name: "answered_requests_total", help: "Requests answered for good, by status code."},
	{field: "EarlyMedia", name: "early_media_datagrams_total", help: "Datagrams on media ports before the stream began; dropped."},
	{field: "ReadErrors", name: "read_errors_total", help: "Reads that failed."},
	{field: "SendErrors", name: "write_errors_total", help: "Messages that did not leave."},
}

var probeRows = []row{
	outcome("Answered", "answered"), outcome("Acks", "ack"), outcome("TooLong", "too_long"), outcome("Other", "other"), outcome("NoSource", "no_source"),
	{field: "ReadErrors", name: "read_errors_total", help: "Reads that failed."},
	{field: "WriteErrors", name: "write_errors_total", help: "Answers that did not leave."},
}

var limitRows = []row{
	{field: "Passed", name: "passed_datagrams_total", help: "Datagrams within the rate of their source."},
	{field: "Dropped", name: "dropped_datagrams_total", help: "Datagrams above the rate of their source."},
	{field: "Evicted", name: "evicted_sources_total", help: "Sources forgotten to make room for others."},
	{field: "Sources", name: "sources", gauge: true, help: "Sources remembered."},
}

// collector makes metrics of the servers' counters whenever somebody asks.
type collector struct{ s *Server }

// Describe describes nothing: which metrics there are depends on the configuration.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters.
func (c collector) Collect(to chan<- prometheus.Metric) {
	s := c.s
	servers := []string{"registrar"}
	rows(to, "registrar", nil, s.registrar.Stats(), registrarRows)
	if s.stun != nil {
		servers = append(servers, "stun")
		stunMetrics(to, s.stun.Stats())
	}
	if s.gateway != nil {
		servers = append(servers, "gateway")
		rows(to, "gateway", nil, s.gateway.Stats(), gatewayRows)
		callMetrics(to, s.gateway.Calls(), s.ended.snapshot())
	}
	if s.probes != nil {
		rows(to, "sip_probe", nil, s.probes.Stats(), probeRows)
	}
	for _, name := range slices.Sorted(maps.Keys(s.limits)) {
		rows(to, "limit", prometheus.Labels{"server": name}, s.limits[name].Stats(), limitRows)
	}
	for _, name := range servers {
		counter(to, "natproof_panics_total", "Panics over datagrams, timers and calls; each was logged.", s.panics.count(name), prometheus.Labels{"server": name})
	}
}

// rows makes the metrics of a table.
func rows(to chan<- prometheus.Metric, server string, labels prometheus.Labels, stats any, table []row) {
	v := reflect.ValueOf(stats)
	for _, r := range table {
		name, l := "natproof_"+server+"_"+r.name, prometheus.Labels{}
		for k, x := range labels {
			l[k] = x
		}
		if r.label != "" {
			l["outcome"] = r.label
		}
		switch f := v.FieldByName(r.field); f.Kind() {
		case reflect.Map:
			m := f.Interface().(map[int]uint64)
			for _, code := range slices.Sorted(maps.Keys(m)) {
				counter(to, name, r.help, m[code], prometheus.Labels{"code": strconv.Itoa(code)})
			}
		case reflect.Int:
			gauge(to, name, r.help, float64(f.Int()), l)
		default:
			counter(to, name, r.help, f.Uint(), l)
		}
	}
}

func counter(to chan<- prometheus.Metric, name, help string, value uint64, labels prometheus.Labels) {
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), prometheus.CounterValue, float64(value))
}

func gauge(to chan<- prometheus.Metric, name, help string, value float64, labels prometheus.Labels) {
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, labels), prometheus.GaugeValue, value)
}

func stunMetrics(to chan<- prometheus.Metric, st stun.Stats) {
	for o := range st.ByOutcome {
		o := stun.Outcome(o)
		counter(to, "natproof_stun_"+datagrams, datagramsHelp, st.Count(o), prometheus.Labels{"outcome": underscored(o.String())})
	}
	counter(to, "natproof_stun_read_errors_total", "Reads that failed.", st.ReadErrors, nil)
	counter(to, "natproof_stun_write_errors_total", "Answers that did not leave.", st.WriteErrors, nil)
}

func underscored(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '-' || c == ' ' {
			b[i] = '_'
		}
	}
	return string(b)
}

func callMetrics(to chan<- prometheus.Metric, calls []gateway.Call, ended callSums) {
	byState := map[gateway.State]int{}
	for _, c := range calls {
		byState[c.State]++
	}
	for state := gateway.Trying; state < gateway.Ended; state++ {
		gauge(to, "natproof_gateway_calls", "Calls that are up, by how far they have come.", float64(byState[state]), prometheus.Labels{"state": state.String()})
	}
	for _, cause := range slices.Sorted(maps.Keys(ended.byCause)) {
		counter(to, "natproof_gateway_ended_calls_total", "Calls that have ended, by why.", ended.byCause[cause], prometheus.Labels{"cause": underscored(cause)})
	}
	to <- prometheus.MustNewConstMetric(prometheus.NewDesc("natproof_gateway_talk_seconds_total", "Time from ACK to the end, of calls that have ended.", nil, nil),
		prometheus.CounterValue, ended.talked.Seconds())
	const rtp, help = "natproof_gateway_rtp_packets_total", "RTP packets of calls that have ended."
	counter(to, rtp, help, ended.rtpReceived, prometheus.Labels{"direction": "received"})
	counter(to, rtp, help, ended.rtpSent, prometheus.Labels{"direction": "sent"})
	counter(to, "natproof_gateway_rtp_packets_lost_total", "RTP packets that did not arrive, by their numbers, of calls that have ended.", ended.lost, nil)
}

// metricsServer serves them.
type metricsServer struct {
	listener net.Listener
	http     *http.Server
	addr     netip.AddrPort
}

func (s *Server) openMetrics() error {
	if !s.cfg.Metrics.IsValid() {
		return nil
	}
	l, err := net.Listen("tcp", s.cfg.Metrics.String())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics(), promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	s.metrics = &metricsServer{listener: l, http: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		s.metrics.addr = a.AddrPort()
	}
	return nil
}

// Metrics are those of the servers, of the Go runtime and of the process.
func (s *Server) Metrics() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func (m *metricsServer) serve() error {
	if err := m.http.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

func (m *metricsServer) close() error {
	err := m.http.Close()
	if e := m.listener.Close(); e != nil && !errors.Is(e, net.ErrClosed) { // open if Serve never ran
		err = errors.Join(err, e)
	}
	return err
}
