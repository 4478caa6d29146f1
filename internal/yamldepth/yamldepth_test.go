package yamldepth_test

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml/lexer"

	"github.com/natproof/natproof/internal/yamldepth"
)

func TestBeyond(t *testing.T) {
	for _, x := range []struct {
		text   string
		column int // of what is too deep; 0 is nothing
	}{
		{"a: [[[1]]]", 0},
		{"a: [[[[1]]]]", 7},
		{"a: [[1], [2], [3], [4]]", 0},
		{"{a: {b: {c: {d: 1}}}}", 13},
		{"- - - 1\n- - - 2", 0},
		{"- - - - 1", 7},
		{"? ? ? ? 1", 7},
		{strings.Repeat("a: 1\n", 9), 0},
	} {
		column := 0
		if found := yamldepth.Beyond(3, lexer.Tokenize(x.text)); found != nil {
			column = found.Position.Column
		}
		if column != x.column {
			t.Errorf("%q: %d, want %d", x.text, column, x.column)
		}
	}
}
