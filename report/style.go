package report

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Options say how a text report looks.
type Options struct {
	// Width is the line length at which explanations wrap and into which a
	// ladder must fit, in columns. Zero means 120.
	Width int
	// Color adds ANSI colours. It never carries meaning of its own.
	Color bool
	// Command repeats a cell, for the list of surprises. Zero means "natproof".
	Command string
}

func (o Options) width() int {
	if o.Width <= 0 {
		return 120
	}
	return o.Width
}

func (o Options) command() string {
	if o.Command == "" {
		return "natproof"
	}
	return o.Command
}

// tone is what a piece of text says about an outcome.
type tone int

const (
	plain   tone = iota
	good         // works
	partial      // works one way
	bad          // does not work, as predicted
	alarm        // not as predicted
	heading
	faint
)

var codes = [...]string{plain: "", good: "32", partial: "33", bad: "31", alarm: "1;37;41", heading: "1", faint: "2"}

// paint colours the text if colours are on.
func (o Options) paint(t tone, text string) string {
	if !o.Color || codes[t] == "" || text == "" {
		return text
	}
	return "\x1b[" + codes[t] + "m" + text + "\x1b[0m"
}

// pad fills the text with blanks to the width, measured in runes.
func pad(text string, width int) string {
	if n := utf8.RuneCountInString(text); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return text
}

// glue marks a blank at which a line does not break.
const glue = "\x00"

var glued = strings.NewReplacer("RFC ", "RFC"+glue, "section ", "section"+glue)

// wrap breaks the words of the text into lines of at most width runes. A longer
// word has a line of its own.
func wrap(text string, width int) []string {
	var lines []string
	line, n := "", 0
	for _, word := range strings.Fields(glued.Replace(text)) {
		word = strings.ReplaceAll(word, glue, " ")
		w := utf8.RuneCountInString(word)
		if n > 0 && n+1+w > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if n > 0 {
			line += " "
			n++
		}
		line += word
		n += w
	}
	if n > 0 {
		lines = append(lines, line)
	}
	return lines
}

// paintLines writes the text, wrapped, each line painted.
func paintLines(b *strings.Builder, t tone, text string, o Options) {
	for _, line := range wrap(text, o.width()) {
		b.WriteString(o.paint(t, line) + "\n")
	}
}

// leastRoom is what a text beside a head needs; with less it begins below the head.
const leastRoom = 24

// hang writes first and then the text, wrapped, with further lines indented to
// where the text began.
func hang(b *strings.Builder, first, text string, width int) {
	head := strings.TrimLeft(first, " ")
	hung(b, strings.Repeat(" ", len(first)-len(head)), head, head, text, width)
}

// hangPainted is hang with a head that is painted.
func hangPainted(b *strings.Builder, indent, head string, t tone, text string, o Options) {
	bare := strings.TrimRight(head, " ")
	gap := head[len(bare):] + "  "
	hung(b, indent, bare+gap, o.paint(t, bare)+gap, text, o.width())
}

// hung writes indent, head as it is painted, and the text.
func hung(b *strings.Builder, indent, head, painted, text string, width int) {
	column := utf8.RuneCountInString(indent) + utf8.RuneCountInString(head)
	first := indent + painted
	if room := width - column; head != "" && room < min(leastRoom, utf8.RuneCountInString(text)) {
		b.WriteString(strings.TrimRight(first, " ") + "\n")
		first = strings.Repeat(" ", utf8.RuneCountInString(indent)+2)
		column = len(first)
	}
	lines := wrap(text, width-column)
	if len(lines) == 0 {
		b.WriteString(strings.TrimRight(first, " ") + "\n")
	}
	for i, line := range lines {
		if i > 0 {
			first = strings.Repeat(" ", column)
		}
		b.WriteString(first + line + "\n")
	}
}

func flush(w io.Writer, b *strings.Builder) error {
	_, err := io.WriteString(w, b.String())
	return err
}
