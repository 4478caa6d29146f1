package kernelnat

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A transcript is what the kernel made of the cases with names. A line says one thing:
//
//	case linux-masquerade 1500 udp without checksum
//	inside 4500...      a packet that arrived from there, or: give up
//	  outside 4500...   a packet that the kernel sent there
const transcriptFile = "testdata/bytes/linux-6.18.txt"

// transcript writes recordings down.
func transcript(all []recording) string {
	var b strings.Builder
	b.WriteString("# Written by go test -tags kernel -run TestKernelBytes -args -transcribe\n")
	for _, r := range all {
		fmt.Fprintf(&b, "case %s %d %s\n", r.nat, r.mtu, r.name)
		for _, s := range r.steps {
			if s.giveUp {
				b.WriteString("give up\n")
			} else {
				fmt.Fprintf(&b, "%v %x\n", s.side, s.b)
			}
			for _, w := range s.got {
				fmt.Fprintf(&b, "  %v %x\n", w.side, w.comparable(s))
			}
		}
	}
	return b.String()
}

var errTranscript = errors.New("no line of a transcript")

func readTranscript(name string) ([]recording, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []recording
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		if all, err = readLine(all, line); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
	}
	return all, lines.Err()
}

func readLine(all []recording, line string) ([]recording, error) {
	if head, ok := strings.CutPrefix(line, "case "); ok {
		r := recording{}
		if _, err := fmt.Sscanf(head, "%s %d", &r.nat, &r.mtu); err != nil {
			return nil, err
		}
		r.name = strings.SplitN(head, " ", 3)[2]
		return append(all, r), nil
	}
	if len(all) == 0 {
		return nil, errTranscript
	}
	r := &all[len(all)-1]
	if line == "give up" {
		r.steps = append(r.steps, sending{giveUp: true})
		return all, nil
	}
	side, text, _ := strings.Cut(strings.TrimSpace(line), " ")
	b, err := hex.DecodeString(text)
	w := wire{Inside, b}
	if side == Outside.String() {
		w.side = Outside
	}
	switch {
	case err != nil || side != w.side.String():
		return nil, errTranscript
	case !strings.HasPrefix(line, " "):
		r.steps = append(r.steps, sending{wire: w})
	case len(r.steps) == 0:
		return nil, errTranscript
	default:
		s := &r.steps[len(r.steps)-1]
		s.got = append(s.got, w)
	}
	return all, nil
}

// TestLabBytes holds the lab to what the kernel was recorded to do, where there is no kernel.
func TestLabBytes(t *testing.T) {
	all, err := readTranscript(filepath.FromSlash(transcriptFile))
	if err != nil || len(all) == 0 {
		t.Fatalf("%d cases: %v", len(all), err)
	}
	for _, r := range all {
		t.Run(r.nat+"/"+r.name, func(t *testing.T) {
			lab, err := inLab(r)
			if err != nil {
				t.Fatal(err)
			}
			if text := compareBytes(r, lab); text != "" {
				t.Error(text)
			}
		})
	}
}

// TestLabBytesNoticed: a byte that is changed in what was recorded does not pass, wherever it is.
func TestLabBytesNoticed(t *testing.T) {
	all, err := readTranscript(filepath.FromSlash(transcriptFile))
	if err != nil {
		t.Fatal(err)
	}
	r := all[0]
	lab, err := inLab(r)
	if err != nil {
		t.Fatal(err)
	}
	for at := range r.steps[0].got[0].b {
		got := r.steps[0].got[0].b
		got[at] ^= 1
		if compareBytes(r, lab) == "" {
			t.Errorf("byte %d of what was translated may be anything", at)
		}
		got[at] ^= 1
	}
}
