package lab

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
)

// Reference is what may be in a lab file, in Markdown, made from its types. docs/labs.md is a copy.
func Reference() string {
	r := reference{seen: map[reflect.Type]bool{}}
	r.line("# Lab files")
	r.line("")
	r.line("What `natproof lab` reads. Made from the types of package emulator/lab by `make docs`, as is its")
	r.line("[JSON Schema](schema/lab-v1.json); [examples/labs](../examples/labs) has files to begin with.")
	r.line("")
	r.line("A time has a unit (`500ms`, `20m`, `1h30m`); an address is IPv4 or IPv6; a list of one may be written without")
	r.line("brackets. Names have letters, digits and hyphens. NATs, sites and hosts have one name each, and so have servers")
	r.line("and endpoints, which are on the host of their own name unless they say otherwise. What is **bold** must be there.")
	r.structure("The file", reflect.TypeFor[File]())
	r.union("Servers", "`kind` says which:", &Server{})
	r.union("Endpoints", "`kind` says which; `ua` if it is missing:", &Endpoint{})
	r.union("Steps", "The first key says what is done, and its value who does it, or what it is done to. Beside what is listed each has "+
		"`at`, the time since the script began, or `after`, the time since the step before; without both it is at the moment of the step before.", &Step{})
	r.union("Expectations", "The first key says what is expected, and its value of whom. `from` and `until` are a part of the lab's time.", &Expectation{})
	r.line("")
	r.line("A message (`of`, `lose`) is a SIP method, a status, or one of %s.", code(kindNames[:9]))
	return r.b.String()
}

type reference struct {
	b    strings.Builder
	seen map[reflect.Type]bool
	next []reflect.Type
}

func (r *reference) line(format string, args ...any) { fmt.Fprintf(&r.b, format+"\n", args...) }

func code(all []string) string { return "`" + strings.Join(all, "` `") + "`" }

// structure is the table of a struct, and of those that it has.
func (r *reference) structure(title string, t reflect.Type) {
	r.line("")
	r.line("## %s", title)
	r.line("")
	r.line("| key | value | |")
	r.line("|---|---|---|")
	for _, f := range fieldsOf(t) {
		r.row(f)
	}
	r.nested()
}

func (r *reference) row(f field) {
	name := "`" + f.name + "`"
	if f.need {
		name = "**" + name + "**"
	}
	r.line("| %s | %s | %s |", name, r.kind(f), strings.ReplaceAll(f.doc, "|", "\\|"))
}

// nested are the tables of what was named above.
func (r *reference) nested() {
	for len(r.next) > 0 {
		t := r.next[0]
		r.next = r.next[1:]
		r.structure(heading(t), t)
	}
}

func heading(t reflect.Type) string { return t.Name() }

// kind says what a value is.
func (r *reference) kind(f field) string {
	if f.ref != "" {
		return map[string]string{
			"nat": "a NAT", "host": "a host", "server": "a server", "endpoint": "an endpoint", "target": "an endpoint, number or URI",
			"party": "an endpoint, gateway or host", "link": "a site or NAT", "box": "a NAT, site or host, `internet`, `any`",
		}[f.ref]
	}
	return r.of(f.typ)
}

func (r *reference) of(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		return r.of(t.Elem())
	}
	switch x := reflect.New(t).Interface().(type) {
	case *Link:
		r.refer(t)
		return "a [link](#link), or one text for both directions: settings, a preset, `perfect`"
	case *Host:
		return "an address, or a list"
	case *Duration:
		return "a time"
	case *Share:
		return "a share such as `20%`"
	case *Settings:
		return "lines"
	case union:
		name := map[string]string{"kind of server": "servers", "kind of endpoint": "endpoints", "action": "steps", "expectation": "expectations"}[x.what()]
		return fmt.Sprintf("[%s](#%s)", name, name)
	case table:
		return "by name: " + r.of(reflect.TypeOf(x.blank()).Elem())
	case word:
		return code(x.words())
	case encoding.TextUnmarshaler:
		return map[string]string{"Addr": "an address", "AddrPort": "address:port", "Prefix": "a prefix"}[t.Name()]
	}
	switch t.Kind() {
	case reflect.Struct:
		r.refer(t)
		return fmt.Sprintf("[%s](#%s)", strings.ToLower(t.Name()), strings.ToLower(heading(t)))
	case reflect.Slice:
		return "list of " + r.of(t.Elem())
	case reflect.Map:
		return "by name: a text"
	case reflect.Bool:
		return "`true` `false`"
	case reflect.String:
		return "a text"
	}
	return "a number"
}

func (r *reference) refer(t reflect.Type) {
	if !r.seen[t] {
		r.seen[t] = true
		r.next = append(r.next, t)
	}
}

// union is a table of each of several.
func (r *reference) union(title, note string, u union) {
	r.line("")
	r.line("## %s", title)
	r.line("")
	r.line("%s", note)
	for _, x := range u.variants() {
		t := reflect.TypeOf(x.make()).Elem()
		r.line("")
		r.line("**%s**: %s", x.name, x.doc)
		r.line("")
		r.line("| key | value | |")
		r.line("|---|---|---|")
		for _, f := range fieldsOf(t) {
			if f.name != "at" && f.name != "after" || t.NumField() == 0 || t.Field(0).Type != reflect.TypeFor[When]() {
				r.row(f)
			}
		}
	}
	r.nested()
}
