package catalogue_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/natproof/natproof/natmodels/catalogue"
)

func TestFilesAreAsPrinted(t *testing.T) {
	files, _ := filepath.Glob("devices/*.txt")
	for _, f := range files {
		text, _ := os.ReadFile(f)
		e, err := catalogue.Parse(f, string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		plain := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(text), "")
		if got := catalogue.Format(e); got != plain {
			t.Errorf("%s is printed as\n%s", f, got)
		}
	}
}
