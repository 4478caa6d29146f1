// Package yamldepth finds what is nested too deep in YAML, before a parser that recurses sees it.
package yamldepth

import "github.com/goccy/go-yaml/token"

// Beyond is the first token that is nested deeper than most, in brackets, dashes or question marks;
// nil if none is.
func Beyond(most int, tokens token.Tokens) *token.Token {
	depth, marks, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			marks++
		}
		if depth > most || marks > most {
			return t
		}
	}
	return nil
}
