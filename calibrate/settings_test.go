package calibrate_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/calibrate"
	"github.com/natproof/natproof/natmodels"
)

// No setting is kept from who asks: whichever field is changed, it shows.
func TestSettingsShowEverything(t *testing.T) {
	shown := func(c natmodels.Config) string { return fmt.Sprint(calibrate.Settings(c)) }
	// What shows only beside another setting.
	with := map[string]func(*natmodels.Config){
		"Step":                 func(c *natmodels.Config) { c.PortChoice = natmodels.Sequential },
		"TCP.Mapping":          func(c *natmodels.Config) { c.TCP.Own = true },
		"TCP.Filtering":        func(c *natmodels.Config) { c.TCP.Own = true },
		"Blocks.Subscribers":   func(c *natmodels.Config) { c.Blocks.Size = 64 },
		"UnderLoad.Mapping":    func(c *natmodels.Config) { c.UnderLoad.Mappings = 9 },
		"UnderLoad.PortChoice": func(c *natmodels.Config) { c.UnderLoad.Mappings = 9 },
	}
	var walk func(path string, get func(*natmodels.Config) reflect.Value)
	walk = func(path string, get func(*natmodels.Config) reflect.Value) {
		var before, after natmodels.Config
		if f := with[path]; f != nil {
			f(&before)
			f(&after)
		}
		v := get(&after)
		switch v.Interface().(type) {
		case netip.Prefix:
			v.Set(reflect.ValueOf(netip.MustParsePrefix("10.0.0.0/24")))
		case time.Duration:
			v.SetInt(int64(7 * time.Second))
		default:
			switch v.Kind() {
			case reflect.Bool:
				v.SetBool(true)
			case reflect.Uint8, reflect.Uint16, reflect.Uint64:
				v.SetUint(1)
			case reflect.Int:
				v.SetInt(3)
			case reflect.Slice:
				v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			case reflect.Struct:
				for i := range v.NumField() {
					walk(strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), func(c *natmodels.Config) reflect.Value { return get(c).Field(i) })
				}
				return
			default:
				t.Fatalf("%s is a %v", path, v.Kind())
			}
		}
		if shown(before) == shown(after) {
			t.Errorf("%s does not show", path)
		}
	}
	walk("", func(c *natmodels.Config) reflect.Value { return reflect.ValueOf(c).Elem() })
}
