package watch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/natproof/natproof/emulator/lab"
)

// Render draws a lab as it is now into a screen of that size. What was before gives the rates.
func Render(title string, now, before lab.Snapshot, width, height int) string {
	width, height = max(width, 20), max(height, 4)
	head := fit(fmt.Sprintf("%s  %s  (q ends it)", title, seconds(now.At)), width)
	room := height - 1
	story := min(max(room/3, 2), 12)
	room -= story
	left, right := (width-2)/2, width-2-(width-2)/2
	a := column(left, room, section{"NAT tables", tables(now)}, section{"dropped", drops(now)})
	b := column(right, room, section{"calls", calls(now)}, section{"flows", flows(now, before)})
	lines := []string{head}
	for i := range room {
		lines = append(lines, strings.TrimRight(pad(a[i], left)+"  "+b[i], " "))
	}
	lines = append(lines, happened(now, story, width)...)
	return strings.Join(lines[:min(len(lines), height)], "\n")
}

// section is a part of the screen.
type section struct {
	title string
	lines []string
}

// column has sections below each other. Each gets an equal part of the room, and what another leaves.
func column(width, room int, sections ...section) []string {
	var lines []string
	for i, s := range sections {
		share := (room - len(lines)) / (len(sections) - i)
		if i+1 < len(sections) {
			rest := 0
			for _, other := range sections[i+1:] {
				rest += len(other.lines) + 1
			}
			share = max(share, room-len(lines)-rest)
		}
		lines = append(lines, cut(s, width, share)...)
	}
	for len(lines) < room {
		lines = append(lines, "")
	}
	return lines[:room]
}

// cut is as much of a section as there is room for, and how much more there is.
func cut(s section, width, room int) []string {
	if room < 2 {
		return nil
	}
	lines := []string{rule(s.title, width)}
	shown := s.lines
	more := 0
	if len(shown) > room-1 {
		more = len(shown) - (room - 2)
		shown = shown[:room-2]
	}
	for _, l := range shown {
		lines = append(lines, fit(l, width))
	}
	if more > 0 {
		lines = append(lines, fit(fmt.Sprintf("... and %d more", more), width))
	}
	return lines
}

func tables(s lab.Snapshot) []string {
	var lines []string
	for _, n := range s.NATs {
		lines = append(lines, fmt.Sprintf("%s: %d", n.Name, len(n.Mappings)))
		for _, m := range n.Mappings {
			lines = append(lines, "  "+m.String())
		}
	}
	return lines
}

func drops(s lab.Snapshot) []string {
	all := slices.Clone(s.Drops)
	slices.SortStableFunc(all, func(a, b lab.DropCount) int { return cmp.Compare(b.Packets, a.Packets) })
	var lines []string
	for _, d := range all {
		lines = append(lines, fmt.Sprintf("%5d %s %s: %s", d.Packets, d.Box, d.Kind, d.Reason))
	}
	return lines
}

func calls(s lab.Snapshot) []string {
	var lines []string
	for _, c := range slices.Backward(s.Calls) {
		arrow := "<-"
		if c.Out {
			arrow = "->"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s since %s", c.Who, arrow, c.Peer, c.State, seconds(c.Since)))
	}
	return lines
}

// flows are those of the present first, with packets a second.
func flows(now, before lab.Snapshot) []string {
	type rated struct {
		lab.Flow
		rate float64
	}
	then := map[[3]string]uint64{}
	for _, f := range before.Flows {
		then[[3]string{f.From, f.To, f.Kind}] = f.Packets
	}
	var all []rated
	for _, f := range now.Flows {
		r := rated{Flow: f}
		if d := now.At - before.At; d > 0 {
			r.rate = float64(f.Packets-then[[3]string{f.From, f.To, f.Kind}]) / d.Seconds()
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b rated) int { return cmp.Compare(b.rate, a.rate) })
	var lines []string
	for _, f := range all {
		lines = append(lines, fmt.Sprintf("%4.0f/s %6d %s  %s -> %s", f.rate, f.Packets, f.Kind, f.From, f.To))
	}
	return lines
}

// happened are the last things that happened.
func happened(s lab.Snapshot, room, width int) []string {
	lines := []string{rule("happened", width)}
	last := s.Lines[max(0, len(s.Lines)-(room-1)):]
	for _, l := range last {
		lines = append(lines, fit(fmt.Sprintf("%9s  %s %s", seconds(l.At), l.Who, l.Text), width))
	}
	for len(lines) < room {
		lines = append(lines, "")
	}
	return lines
}

// rule is the line above a section.
func rule(title string, width int) string {
	r := []rune("── " + title + " " + strings.Repeat("─", width))
	return string(r[:min(len(r), width)])
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// fit cuts a text to a width.
func fit(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(width-1, 0)]) + "…"
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}
