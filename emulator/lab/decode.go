package lab

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/natproof/natproof/natmodels"
)

// decoder makes values of YAML by their types, and remembers where each stood.
type decoder struct {
	*problems
	places map[string]place // by path, such as "sites.home.prefix"
}

func (d *decoder) file(body ast.Node) *File {
	f := &File{}
	d.value(body, reflect.ValueOf(f).Elem(), "")
	return f
}

var textual = reflect.TypeFor[encoding.TextUnmarshaler]()

func (d *decoder) value(n ast.Node, v reflect.Value, path string) {
	d.places[path] = startOf(n)
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
		return
	}
	switch x := v.Addr().Interface().(type) {
	case *Link:
		d.link(n, x, path)
		return
	case *Host:
		d.host(n, x, path)
		return
	case union:
		d.union(n, x, path)
		return
	case table:
		d.table(n, x, path)
		return
	case encoding.TextUnmarshaler:
		d.scalar(n, path, func(text string) error { return readable(x.UnmarshalText([]byte(text)), text, v.Type()) })
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if entries, ok := d.entries(n); ok {
			d.fields(n, entries, v, path, "")
		}
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.strings(n, v, path)
	case reflect.String:
		d.scalar(n, path, func(text string) error { return setString(v, text) })
	case reflect.Bool:
		d.scalar(n, path, func(text string) error {
			if text != "true" && text != "false" {
				return fmt.Errorf("%w: %q is neither true nor false", ErrValue, text)
			}
			v.SetBool(text == "true")
			return nil
		})
	case reflect.Uint16, reflect.Uint64:
		d.scalar(n, path, func(text string) error {
			u, err := strconv.ParseUint(text, 10, v.Type().Bits())
			if err != nil {
				return fmt.Errorf("%w: %q is not a number from 0 to %d", ErrValue, text, uint64(1)<<v.Type().Bits()-1)
			}
			v.SetUint(u)
			return nil
		})
	default:
		panic("lab: no way to read a " + v.Type().String())
	}
}

// readable has an error of netip say what was wanted.
func readable(err error, text string, t reflect.Type) error {
	wants := map[string]string{"Addr": "an address such as 10.0.0.2", "AddrPort": "an address and port such as 203.0.113.10:5060", "Prefix": "a prefix such as 10.0.0.0/24"}
	if want, ok := wants[t.Name()]; ok && err != nil && t.PkgPath() == "net/netip" {
		return fmt.Errorf("%w: %q is not %s", ErrValue, text, want)
	}
	return err
}

func setString(v reflect.Value, text string) error {
	if w, ok := v.Interface().(word); ok && !slices.Contains(w.words(), text) {
		return &natmodels.UnknownError{What: w.what(), Name: text, Valid: w.words()}
	}
	v.SetString(text)
	return nil
}

// scalar hands over a plain value.
func (d *decoder) scalar(n ast.Node, path string, set func(string) error) {
	text, ok := scalar(n)
	if !ok {
		d.add(d.places[path], d.refusal(n, "a plain value"))
		return
	}
	if err := set(text); err != nil {
		d.add(d.places[path], err)
	}
}

// entries are those of a mapping.
func (d *decoder) entries(n ast.Node) ([]*ast.MappingValueNode, bool) {
	entries, ok := mapping(n)
	if !ok {
		d.add(startOf(n), d.refusal(n, "a mapping"))
	}
	return entries, ok
}

// refusal says why a node is not what is wanted.
func (d *decoder) refusal(n ast.Node, want string) error {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		return fmt.Errorf("%w: %s", ErrMarkup, strings.ToLower(n.Type().String()))
	case nil, *ast.NullNode:
		return fmt.Errorf("%w: nothing, where %s is wanted", ErrShape, want)
	}
	return fmt.Errorf("%w: %s, where %s is wanted", ErrShape, strings.ToLower(n.Type().String()), want)
}

// key is the word of an entry, which must not have been there before.
func (d *decoder) key(e *ast.MappingValueNode, seen map[string]bool) (string, bool) {
	name, ok := scalar(e.Key)
	switch {
	case !ok:
		d.add(startOf(e.Key), fmt.Errorf("%w: a key that is no word", ErrMarkup))
	case seen[name]:
		d.add(startOf(e.Key), fmt.Errorf("%s %w", name, ErrTwice))
		return "", false
	}
	seen[name] = true
	return name, ok
}

// field is a field of a struct.
type field struct {
	name, doc, ref, can, kind string
	need                      bool
	index                     []int
	typ                       reflect.Type
}

// fieldsOf are the fields of a struct in their order: first its own, then those that are embedded.
func fieldsOf(t reflect.Type) []field {
	var own, embedded []field
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("yaml")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			for _, x := range fieldsOf(f.Type) {
				x.index = append([]int{i}, x.index...)
				embedded = append(embedded, x)
			}
		case name != "":
			own = append(own, field{
				name: name, doc: f.Tag.Get("doc"), ref: f.Tag.Get("ref"), can: f.Tag.Get("can"), kind: f.Tag.Get("kind"),
				need: f.Tag.Get("need") != "", index: []int{i}, typ: f.Type,
			})
		}
	}
	return append(own, embedded...)
}

// fields fills a struct. The key that told which struct it is has been read if besides is not empty.
func (d *decoder) fields(n ast.Node, entries []*ast.MappingValueNode, v reflect.Value, path, besides string) {
	all := fieldsOf(v.Type())
	seen := map[string]bool{}
	for _, e := range entries {
		name, ok := d.key(e, seen)
		if !ok || name == besides {
			continue
		}
		i := slices.IndexFunc(all, func(f field) bool { return f.name == name })
		if i < 0 {
			d.add(startOf(e.Key), d.unknownKey(name, all, besides))
			continue
		}
		d.value(e.Value, v.FieldByIndex(all[i].index), under(path, name))
	}
	for _, f := range all {
		if f.need && !seen[f.name] {
			at := startOf(n)
			if path == "" {
				at = place{}
			}
			d.add(at, fmt.Errorf("%s %w: %s", f.name, ErrMissing, f.doc))
		}
	}
}

func (d *decoder) unknownKey(name string, all []field, besides string) error {
	var valid []string
	if besides != "" {
		valid = append(valid, besides)
	}
	for _, f := range all {
		valid = append(valid, f.name)
	}
	return &natmodels.UnknownError{What: "key", Name: name, Valid: valid}
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// list fills a slice. One value is a list of one.
func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		if _, plain := scalar(n); !plain || !v.Type().Elem().Implements(textual) && !reflect.PointerTo(v.Type().Elem()).Implements(textual) && v.Type().Elem().Kind() != reflect.String {
			d.add(startOf(n), d.refusal(n, "a list"))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.value(n, v.Index(0), path+".0")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, x := range seq.Values {
		d.value(x, v.Index(i), path+"."+strconv.Itoa(i))
	}
}

// strings fills a map of strings.
func (d *decoder) strings(n ast.Node, v reflect.Value, path string) {
	entries, ok := d.entries(n)
	if !ok {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	seen := map[string]bool{}
	for _, e := range entries {
		if name, ok := d.key(e, seen); ok {
			at := under(path, name)
			d.places[at] = startOf(e.Value)
			d.scalar(e.Value, at, func(text string) error {
				v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(text))
				return nil
			})
		}
	}
}

func (d *decoder) table(n ast.Node, t table, path string) {
	entries, ok := d.entries(n)
	if !ok {
		return
	}
	seen := map[string]bool{}
	for _, e := range entries {
		name, ok := d.key(e, seen)
		if !ok {
			continue
		}
		if !isName(name) {
			d.add(startOf(e.Key), fmt.Errorf("%w: the name %q: letters, digits and hyphens, a letter first, 32 at most", ErrValue, name))
			continue
		}
		at := under(path, name)
		d.value(e.Value, reflect.ValueOf(t.add(name)).Elem(), at)
		d.places[at] = startOf(e.Key)
	}
}

// maxName is how long a name may be.
const maxName = 32

func isName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '-' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// union fills what is one of several.
func (d *decoder) union(n ast.Node, u union, path string) {
	entries, ok := d.entries(n)
	if !ok {
		return
	}
	chosen, found := d.choose(n, entries, u)
	if !found {
		return
	}
	v := chosen.make()
	u.set(v)
	d.fields(n, entries, reflect.ValueOf(v).Elem(), path, u.key())
}

// choose tells which of several it is.
func (d *decoder) choose(n ast.Node, entries []*ast.MappingValueNode, u union) (variant, bool) {
	all := u.variants()
	var names, keys []string
	for _, x := range all {
		names = append(names, x.name)
	}
	var found []variant
	for _, e := range entries {
		name, _ := scalar(e.Key)
		keys = append(keys, name)
		if u.key() != "" {
			if name != u.key() {
				continue
			}
			text, _ := scalar(e.Value)
			if i := slices.Index(names, text); i >= 0 {
				return all[i], true
			}
			d.add(startOf(e.Value), &natmodels.UnknownError{What: u.what(), Name: text, Valid: names})
			return variant{}, false
		}
		if i := slices.Index(names, name); i >= 0 {
			found = append(found, all[i])
		}
	}
	if _, usual := u.(*Endpoint); usual {
		return all[0], true
	}
	if u.key() != "" {
		d.add(startOf(n), fmt.Errorf("%s %w: one of %s", u.key(), ErrMissing, strings.Join(names, ", ")))
		return variant{}, false
	}
	return d.chooseByKey(n, entries, u, keys, names, found)
}

// chooseByKey tells it by which key is there. A key of one may be an argument of another, as the step
// link has none and others have it: the first in the file is what is meant.
func (d *decoder) chooseByKey(n ast.Node, entries []*ast.MappingValueNode, u union, keys, names []string, found []variant) (variant, bool) {
	var fit []variant
	for _, x := range found {
		all := fieldsOf(reflect.TypeOf(x.make()).Elem())
		if !slices.ContainsFunc(found, func(o variant) bool {
			return o.name != x.name && !slices.ContainsFunc(all, func(f field) bool { return f.name == o.name })
		}) {
			fit = append(fit, x)
		}
	}
	switch {
	case len(found) == 0 && len(entries) > 0:
		for i, k := range keys { // the one that is nearest to a name is what was meant
			if err := (&natmodels.UnknownError{What: u.what(), Name: k, Valid: names}); strings.Contains(err.Error(), "did you mean") {
				d.add(startOf(entries[i].Key), err)
				return variant{}, false
			}
		}
		d.add(startOf(n), fmt.Errorf("no %s: want one of %s", u.what(), strings.Join(names, ", ")))
		return variant{}, false
	case len(found) == 0:
		d.add(startOf(n), fmt.Errorf("no %s: want one of %s", u.what(), strings.Join(names, ", ")))
		return variant{}, false
	case len(fit) != 1:
		d.add(startOf(n), fmt.Errorf("%w: %s and %s are two: make two entries", ErrConflict, found[0].name, found[1].name))
		return variant{}, false
	}
	return fit[0], true
}

// link is written as one text for both directions, or as two.
func (d *decoder) link(n ast.Node, l *Link, path string) {
	if text, ok := scalar(n); ok {
		l.Up, l.Down = text, text
		return
	}
	if entries, ok := d.entries(n); ok {
		d.fields(n, entries, reflect.ValueOf(l).Elem(), path, "")
	}
}

// host is written as an address or several.
func (d *decoder) host(n ast.Node, h *Host, path string) {
	d.list(n, reflect.ValueOf(&h.Addrs).Elem(), path)
	if h.Addrs != nil && len(h.Addrs) == 0 {
		d.add(startOf(n), fmt.Errorf("an address %w", ErrMissing))
	}
}
