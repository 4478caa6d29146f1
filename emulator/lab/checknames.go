package lab

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/natproof/natproof/natmodels"
)

// walk looks up every name in a value.
func (c *checker) walk(v reflect.Value, path string) {
	switch x := v.Addr().Interface().(type) {
	case union:
		c.walk(reflect.ValueOf(x.get()).Elem(), path)
		return
	case table:
		x.each(func(name string, value any) { c.walk(reflect.ValueOf(value).Elem(), under(path, name)) })
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.walk(v.Elem(), path)
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			x := v.FieldByIndex(f.index)
			if f.ref != "" {
				c.refer(f, x.String(), under(path, f.name))
			} else {
				c.walk(x, under(path, f.name))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(v.Index(i), path+"."+strconv.Itoa(i))
		}
	}
}

// refer looks a name up.
func (c *checker) refer(f field, name, path string) {
	if name == "" && !c.written(path) {
		return
	}
	what, valid := c.valid(f.ref)
	if f.ref == "target" && isTarget(name) {
		return
	}
	if !slices.Contains(valid, name) {
		c.say(path, &natmodels.UnknownError{What: what, Name: name, Valid: valid})
		return
	}
	if f.ref == "endpoint" {
		c.ability(f, name, path)
	}
}

// written says whether a value is in the file.
func (c *checker) written(path string) bool { _, ok := c.f.places[path]; return ok }

// isTarget says whether it is a URI or a number.
func isTarget(s string) bool {
	if strings.HasPrefix(s, "sip:") || strings.HasPrefix(s, "tel:") {
		return true
	}
	return isNumber(strings.TrimPrefix(s, "+"))
}

// valid are the names that a reference may be.
func (c *checker) valid(ref string) (what string, valid []string) {
	switch ref {
	case "nat":
		return "NAT", c.f.NATs.Names()
	case "host":
		return "host", c.f.hostNames()
	case "server":
		return "server", c.f.Servers.Names()
	case "endpoint", "target":
		return "endpoint", c.f.Endpoints.Names()
	case "party":
		all := c.f.Endpoints.Names()
		for i := range c.f.Servers {
			if isGateway(&c.f.Servers[i].Value) {
				all = append(all, c.f.Servers[i].Name)
			}
		}
		for host := range c.f.freeHosts() {
			all = append(all, host)
		}
		slices.Sort(all)
		return "endpoint, gateway or host", all
	case "link":
		return "site or NAT", append(c.f.NATs.Names(), c.f.Sites.Names()...)
	case "box":
		all := append(c.f.NATs.Names(), c.f.Sites.Names()...)
		return "box", append(append(all, c.f.hostNames()...), boxInternet, boxAny)
	}
	panic("lab: a reference to a " + ref)
}

// Boxes that every lab has.
const (
	boxInternet = "internet"
	boxAny      = "any"
)

func (f *File) hostNames() []string {
	var all []string
	for i := range f.Sites {
		all = append(all, f.Sites[i].Value.Hosts.Names()...)
	}
	return all
}

// abilities are what each kind of endpoint can be told to do.
var abilities = map[string][]string{
	"ua":      {"register", "unregister", "call", "hangup", "hold", "resume", "renew", "transfer", "press", "message", "roam", "attack"},
	"plain":   {"register", "call", "hangup", "message"},
	"program": {"start", "stop"},
}

func (e *Endpoint) kind() string {
	switch e.Is.(type) {
	case *Plain:
		return "plain"
	case *Program:
		return "program"
	}
	return "ua"
}

func (c *checker) ability(f field, name, path string) {
	kind := c.f.Endpoints.Find(name).kind()
	if f.can != "" && !slices.Contains(abilities[kind], f.can) {
		c.conflict(path, "%s is of the kind %s, which cannot be told to %s", name, kind, f.can)
	}
	if f.kind != "" && f.kind != kind {
		c.conflict(path, "%s is of the kind %s, of which that cannot be told", name, kind)
	}
}
