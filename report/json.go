package report

import (
	"io"

	"github.com/natproof/natproof/scenarios"
)

// JSON writes the results of all sections as one scenarios.Document.
func JSON(w io.Writer, seed uint64, sections []Section) error {
	var results []scenarios.Result
	for _, s := range sections {
		results = append(results, s.Results...)
	}
	return scenarios.NewDocument(seed, results).Encode(w)
}
