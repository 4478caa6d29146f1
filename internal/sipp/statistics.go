package sipp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Statistics are what SIPp counted from its start.
type Statistics struct {
	Created         int // calls
	Successful      int // of them: through the whole scenario
	Failed          int // of them: not
	Retransmissions int // of messages that SIPp sent
	Stray           int // messages of no call, or of one that is over
	Fatal           int // errors that end a run
}

// ErrStatistics is about a file that is not as SIPp writes it.
var ErrStatistics = errors.New("sipp: statistics")

// ParseStatistics reads the file that -trace_stat makes: a line of names, then lines of values,
// separated by semicolons. The last line has the totals in the columns with (C).
func ParseStatistics(b []byte) (Statistics, error) {
	lines := strings.Split(strings.TrimRight(string(b), "\r\n"), "\n")
	if len(lines) < 2 {
		return Statistics{}, fmt.Errorf("%w: no line of values", ErrStatistics)
	}
	values := strings.Split(strings.TrimRight(lines[len(lines)-1], "\r"), ";")
	at := map[string]int{}
	for i, name := range strings.Split(strings.TrimRight(lines[0], "\r"), ";") {
		at[name] = i
	}
	var s Statistics
	for _, x := range []struct {
		name string
		to   *int
	}{
		{"TotalCallCreated", &s.Created}, {"SuccessfulCall(C)", &s.Successful}, {"FailedCall(C)", &s.Failed},
		{"Retransmissions(C)", &s.Retransmissions}, {"OutOfCallMsgs(C)", &s.Stray}, {"DeadCallMsgs(C)", &s.Stray},
		{"FatalErrors(C)", &s.Fatal},
	} {
		i, ok := at[x.name]
		if !ok || i >= len(values) {
			return Statistics{}, fmt.Errorf("%w: no %s", ErrStatistics, x.name)
		}
		n, err := strconv.Atoi(values[i])
		if err != nil || n < 0 {
			return Statistics{}, fmt.Errorf("%w: %s is %q", ErrStatistics, x.name, values[i])
		}
		*x.to += n
	}
	return s, nil
}
