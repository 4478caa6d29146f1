package serve

import (
	"reflect"
	"slices"
	"testing"

	"github.com/natproof/natproof/servers/limit"
	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/sipprobe"
	"github.com/natproof/natproof/ua"
)

// Every counter is a metric, or is left out for a reason; no row names what is not there.
func TestEveryCounterIsAMetric(t *testing.T) {
	for _, x := range []struct {
		stats any
		rows  []row
		not   map[string]string
	}{
		{registrar.Stats{}, registrarRows, map[string]string{"Datagrams": "the sum of the outcomes", "Panics": "natproof_panics_total"}},
		{ua.Stats{}, gatewayRows, map[string]string{
			"Datagrams": "the sum of the outcomes", "Panics": "natproof_panics_total",
			"ContactsLearned": "a gateway has no account", "ContactsDoubted": "a gateway has no account", "ManagerCalls": "nor a port manager",
		}},
		{sipprobe.Stats{}, probeRows, nil},
		{limit.Stats{}, limitRows, nil},
	} {
		typ := reflect.TypeOf(x.stats)
		var fields []string
		for f := range typ.Fields() {
			fields = append(fields, f.Name)
			named := slices.ContainsFunc(x.rows, func(r row) bool { return r.field == f.Name })
			if (x.not[f.Name] == "") != named {
				t.Errorf("%s.%s is no metric, or is one in spite of a reason", typ, f.Name)
			}
		}
		for _, r := range x.rows {
			if !slices.Contains(fields, r.field) {
				t.Errorf("%s has no %s", typ, r.field)
			}
		}
	}
}
