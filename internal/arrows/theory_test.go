package arrows

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Theory may read behaviours, never ask an engine: nothing that it says has the type of a NAT,
// be it a result of what it calls.
func TestTheoryNeverCallsAnEngine(t *testing.T) {
	const theory = module + "scenarios/theory"
	fset := token.NewFileSet()
	exports := exportData(t, theory)
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	check := func(files []*ast.File) (engines []string) {
		info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
		if _, err := config.Check(theory, fset, files, info); err != nil {
			t.Fatal(err)
		}
		for x, v := range info.Types {
			if isEngine(v.Type) {
				engines = append(engines, fset.Position(x.Pos()).String()+": "+v.Type.String())
			}
		}
		return engines
	}
	names, err := filepath.Glob("../../scenarios/theory/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			files = append(files, parse(t, fset, name, nil))
		}
	}
	for _, found := range check(files) {
		t.Error(found)
	}
	// The test finds what it is for.
	const natmodels, sipalg = `import "` + module + `natmodels"; `, `import "` + module + `natmodels/sipalg"; `
	for _, source := range []string{
		natmodels + `var x natmodels.Box`,
		natmodels + `func f(m natmodels.Model) {}`,
		natmodels + `var ask func(string) (natmodels.Model, error)`,
		natmodels + `var all map[string][]*natmodels.Model`,
		sipalg + `func f(b *sipalg.Beside) { _ = b.NAT }`,
	} {
		if len(check([]*ast.File{parse(t, fset, "bad.go", "package theory; "+source)})) == 0 {
			t.Errorf("%s is not noticed", source)
		}
	}
}

// isEngine says whether a value of the type is a NAT, or has or gives one without another
// selector.
func isEngine(t types.Type) bool {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		o := t.Obj()
		if o.Pkg() == nil {
			return false
		}
		room, inside := strings.CutPrefix(o.Pkg().Path(), module+"natmodels")
		return inside && (room == "" && (o.Name() == "Model" || o.Name() == "Box" || o.Name() == "Helped") ||
			room != "" && room != "/sipalg")
	case *types.Signature:
		return isEngine(t.Params()) || isEngine(t.Results())
	case *types.Tuple:
		for v := range t.Variables() {
			if isEngine(v.Type()) {
				return true
			}
		}
	case *types.Map:
		return isEngine(t.Key()) || isEngine(t.Elem())
	case interface{ Elem() types.Type }: // pointer, slice, array, channel
		return isEngine(t.Elem())
	}
	return false
}

func parse(t *testing.T, fset *token.FileSet, name string, source any) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(fset, name, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// exportData are the files in which the compiler describes what a package imports.
func exportData(t *testing.T, path string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", path).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	files := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		files[p.ImportPath] = p.Export
	}
	return files
}
