package lab

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/natproof/natproof/ua"
	"github.com/natproof/natproof/vnet"
)

// Line is one thing that happened, for people.
type Line struct {
	At   time.Duration // since the script began
	Kind LineKind
	Who  string // the endpoint, server, NAT or link
	Text string

	rank int // of who, in the file
}

// LineKind is where a line comes from.
type LineKind string

// The kinds, in the order in which those of one moment are told.
const (
	LineStep LineKind = "step" // the script
	LineTold LineKind = "told" // what an endpoint tells
	LineDrop LineKind = "drop" // a packet was dropped
)

var lineOrder = map[LineKind]int{LineStep: 0, LineTold: 1, LineDrop: 2}

// record is what happened in a lab.
type record struct {
	mu      sync.Mutex
	done    bool
	now     func() time.Duration
	zero    time.Duration // when the script began
	trace   bool          // keep events
	events  []vnet.Event
	flights *flights
	lines   []Line
	onLine  func(Line)
	ends    map[string]*ended // endpoints and gateways
	cannot  []Line            // steps that could not be done

	lasted time.Duration
}

// ended is what became of an endpoint or gateway.
type ended struct {
	name, kind string
	rank       int
	boxes      []string // the hosts that it was on

	asked         *time.Duration // when it first began to register
	registrations []registration
	calls         []*call
	texts         []text
	exit          *exit
	samples       map[time.Duration]counts
	said          []string // errors of what it was told to do
}

// registration is a change of one.
type registration struct {
	at      time.Duration
	holds   bool
	contact string
	why     string
}

// call is a call of an endpoint.
type call struct {
	out      bool
	peer     string
	id       string
	made     time.Duration
	answered *time.Duration
	ended    *time.Duration
	reason   ua.TerminateReason
	code     int
	err      error
	session  *ua.Session
}

type text struct {
	at   time.Duration
	text string
}

// exit is the end of a program.
type exit struct {
	at     time.Duration
	status int
}

// counts are of the media that an endpoint has used and discarded so far.
type counts struct{ used, strict uint64 }

// time is that of now, since the script began. Call it with the mutex held.
func (r *record) time() time.Duration { return r.now() - r.zero }

// event takes what the core of the lab tells.
func (r *record) event(e vnet.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return
	}
	r.flights.add(e)
	if r.trace {
		r.events = append(r.events, e)
	}
}

// tell notes a line.
func (r *record) tell(kind LineKind, who, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told(kind, who, format, args...)
}

// told is tell with the mutex held.
func (r *record) told(kind LineKind, who, format string, args ...any) {
	if r.done {
		return
	}
	l := Line{At: r.time(), Kind: kind, Who: who, Text: strings.Map(shown, strings.ToValidUTF8(fmt.Sprintf(format, args...), "?"))}
	if e := r.ends[who]; e != nil {
		l.rank = e.rank
	}
	r.lines = append(r.lines, l)
	if r.onLine != nil {
		r.onLine(l)
	}
}

// end changes what is known of an endpoint.
func (r *record) end(name string, change func(e *ended)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.ends[name]; e != nil && !r.done {
		change(e)
	}
}

// close ends the record: what happens from now on is not of the lab.
func (r *record) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	r.lasted = r.time()
	for i := range r.events {
		r.events[i].At -= r.zero
	}
	r.flights.since(r.zero)
	for _, d := range r.flights.drops {
		r.lines = append(r.lines, Line{At: d.first(), Kind: LineDrop, Who: d.box, Text: d.String()})
	}
	slices.SortStableFunc(r.lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(lineOrder[a.Kind], lineOrder[b.Kind]), r.among(a, b))
	})
}

// among orders the lines of one moment. Steps are in the order of the file already.
func (r *record) among(a, b Line) int {
	if a.Kind == LineStep {
		return 0
	}
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Who, b.Who), cmp.Compare(a.Text, b.Text))
}
