package sipp_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/natproof/natproof/internal/sipp"
)

func TestStatistics(t *testing.T) {
	file, err := os.ReadFile("testdata/statistics.csv") // of a run of SIPp 3.6.1
	if err != nil {
		t.Fatal(err)
	}
	got, err := sipp.ParseStatistics(file)
	if want := (sipp.Statistics{Created: 2, Failed: 2, Retransmissions: 4}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	const head = "TotalCallCreated;SuccessfulCall(C);FailedCall(C);Retransmissions(C);OutOfCallMsgs(C);DeadCallMsgs(C);FatalErrors(C)"
	for _, x := range []struct {
		text string
		want sipp.Statistics
		ok   bool
	}{
		{head + "\n1;2;3;4;5;6;7;\n", sipp.Statistics{Created: 1, Successful: 2, Failed: 3, Retransmissions: 4, Stray: 11, Fatal: 7}, true},
		{head + "\r\n0;0;0;0;0;0;0\r\n1;1;0;0;0;0;0\r\n", sipp.Statistics{Created: 1, Successful: 1}, true},
		{"", sipp.Statistics{}, false},
		{head + "\n", sipp.Statistics{}, false},
		{head + "\n1;2;3\n", sipp.Statistics{}, false},
		{head + "\n1;2;3;4;5;6;-7\n", sipp.Statistics{}, false},
		{head + "\n1;2;3;4;x;6;7\n", sipp.Statistics{}, false},
		{"a;b\n1;2\n", sipp.Statistics{}, false},
	} {
		got, err := sipp.ParseStatistics([]byte(x.text))
		if got != x.want || (err == nil) != x.ok || err != nil && !errors.Is(err, sipp.ErrStatistics) {
			t.Errorf("%q: %+v, %v", x.text, got, err)
		}
	}
}

func FuzzStatistics(f *testing.F) {
	if file, err := os.ReadFile("testdata/statistics.csv"); err == nil {
		f.Add(file)
	}
	f.Add([]byte("TotalCallCreated;a\n1;2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sipp.ParseStatistics(b)
		if err != nil && s != (sipp.Statistics{}) {
			t.Errorf("%+v beside %v", s, err)
		}
	})
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", "")
	if _, err := (sipp.Run{Dir: t.TempDir()}).Do(context.Background()); !errors.Is(err, sipp.ErrMissing) {
		t.Errorf("%v", err)
	}
}
