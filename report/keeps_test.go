package report

import (
	"reflect"
	"testing"

	"github.com/natproof/natproof/scenarios"
	"github.com/natproof/natproof/scenarios/cell"
)

// Nothing of what a report holds, however deep, can hold a result, its steps or its events: it
// is as large as what it will write.
func TestReportsKeepNoResults(t *testing.T) {
	forbidden := []reflect.Type{
		reflect.TypeFor[scenarios.Result](), reflect.TypeFor[cell.Outcome](), reflect.TypeFor[cell.StepOutcome](), reflect.TypeFor[cell.Cause](),
	}
	seen := map[reflect.Type]bool{}
	var look func(path string, x reflect.Type)
	look = func(path string, x reflect.Type) {
		if seen[x] {
			return
		}
		seen[x] = true
		for _, f := range forbidden {
			if x == f {
				t.Errorf("%s holds a %v", path, x)
			}
		}
		switch x.Kind() {
		case reflect.Map:
			look(path+"[key]", x.Key())
			look(path+"[]", x.Elem())
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Chan:
			look(path+"[]", x.Elem())
		case reflect.Struct:
			for f := range x.Fields() {
				look(path+"."+f.Name, f.Type)
			}
		}
	}
	for _, held := range []reflect.Type{reflect.TypeFor[gathering](), reflect.TypeFor[textForm](), reflect.TypeFor[markdownForm](), reflect.TypeFor[scenarios.DocumentWriter]()} {
		look(held.Name(), held)
	}
}
