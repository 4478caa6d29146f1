package lab

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// FileSchema is the JSON Schema of a lab file, made from its types. docs/schema/lab-v1.json is a copy.
func FileSchema() ([]byte, error) {
	s := schemas{tag: "yaml", defs: object{}}
	root := s.ofStruct(reflect.TypeFor[File](), nil)
	return s.write("natproof/lab/v1", "a lab of natproof", root)
}

// ResultSchema is that of Document. docs/schema/lab-result-v1.json is a copy.
func ResultSchema() ([]byte, error) {
	s := schemas{tag: "json", defs: object{}}
	root := s.ofStruct(reflect.TypeFor[Document](), nil)
	schema := root.get("properties").(object).get("schema").(object)
	schema.set("const", Schema)
	return s.write(Schema, "what happened in a lab of natproof", root)
}

// schemas makes JSON Schemas of types.
type schemas struct {
	tag  string // that has the names of fields
	defs object
}

func (s *schemas) write(id, title string, root object) ([]byte, error) {
	all := object{}
	all.set("$schema", "https://json-schema.org/draft/2020-12/schema")
	all.set("$id", id)
	all.set("title", title)
	for _, m := range *root.members {
		all.set(m.name, m.value)
	}
	if s.defs.members != nil {
		all.set("$defs", s.defs)
	}
	compact, err := json.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("lab: schema: %w", err)
	}
	var b bytes.Buffer
	err = json.Indent(&b, compact, "", "  ")
	b.WriteByte('\n')
	return b.Bytes(), err
}

// object is a JSON object that keeps its order.
type object struct{ members *[]member }

type member struct {
	name  string
	value any
}

func (o *object) set(name string, value any) {
	if o.members == nil {
		o.members = &[]member{}
	}
	for i := range *o.members {
		if (*o.members)[i].name == name {
			(*o.members)[i].value = value
			return
		}
	}
	*o.members = append(*o.members, member{name, value})
}

func (o object) get(name string) any {
	for _, m := range *o.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	if o.members != nil {
		for i, m := range *o.members {
			if i > 0 {
				b = append(b, ',')
			}
			name, err := json.Marshal(m.name)
			if err != nil {
				return nil, err
			}
			value, err := json.Marshal(m.value)
			if err != nil {
				return nil, err
			}
			b = append(append(append(b, name...), ':'), value...)
		}
	}
	return append(b, '}'), nil
}

func pairs(all ...any) object {
	var o object
	for i := 0; i < len(all); i += 2 {
		o.set(all[i].(string), all[i+1])
	}
	return o
}

// ofStruct is that of a struct; with the keys besides its fields first.
func (s *schemas) ofStruct(t reflect.Type, besides []member) object {
	properties := object{}
	required := []string{}
	for _, m := range besides {
		properties.set(m.name, m.value)
	}
	for _, f := range s.fields(t) {
		of := s.of(f.typ)
		if f.doc != "" {
			of.set("description", f.doc)
		}
		properties.set(f.name, of)
		if f.need {
			required = append(required, f.name)
		}
	}
	o := pairs("type", "object", "properties", properties)
	if len(required) > 0 {
		o.set("required", required)
	}
	o.set("additionalProperties", false)
	return o
}

func (s *schemas) fields(t reflect.Type) []field {
	if s.tag == "yaml" {
		return fieldsOf(t)
	}
	var all []field
	for i := range t.NumField() {
		f := t.Field(i)
		all = append(all, field{name: f.Tag.Get(s.tag), doc: f.Tag.Get("doc"), need: true, typ: f.Type})
	}
	return all
}

// named puts a schema among the definitions, once, and refers to it.
func (s *schemas) named(t reflect.Type, of func() object) object {
	name := strings.ToLower(t.Name())
	if s.defs.members == nil || s.defs.get(name) == nil {
		s.defs.set(name, object{}) // it may refer to itself
		s.defs.set(name, of())
	}
	return pairs("$ref", "#/$defs/"+name)
}

const durationPattern = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$|^0$`

// of is the schema of a type.
func (s *schemas) of(t reflect.Type) object {
	if t.Kind() == reflect.Pointer {
		return s.of(t.Elem())
	}
	v := reflect.New(t)
	switch x := v.Interface().(type) {
	case *Link:
		return s.named(t, func() object {
			return pairs("oneOf", []any{pairs("type", "string", "description", "both directions alike"), s.ofStruct(t, nil)})
		})
	case *Host:
		addr := s.of(reflect.TypeFor[Host]().Field(0).Type.Elem())
		return pairs("oneOf", []any{addr, pairs("type", "array", "items", addr, "minItems", 1)})
	case *Duration:
		return s.named(t, func() object { return pairs("type", "string", "pattern", durationPattern) })
	case *Share:
		return s.named(t, func() object {
			return pairs("oneOf", []any{pairs("type", "number", "minimum", 0, "maximum", 1), pairs("type", "string", "pattern", `^[0-9.]+%?$`)})
		})
	case union:
		return s.named(t, func() object { return s.ofUnion(x) })
	case table:
		return pairs("type", "object", "propertyNames", pairs("pattern", "^[A-Za-z][A-Za-z0-9-]*$", "maxLength", maxName),
			"additionalProperties", s.of(reflect.TypeOf(x.blank()).Elem()))
	case word:
		return s.named(t, func() object { return pairs("enum", x.words()) })
	case encoding.TextUnmarshaler:
		return pairs("type", "string")
	}
	return s.ofKind(t)
}

func (s *schemas) ofKind(t reflect.Type) object {
	switch t.Kind() {
	case reflect.Struct:
		return s.named(t, func() object { return s.ofStruct(t, nil) })
	case reflect.Slice:
		items := s.of(t.Elem())
		list := pairs("type", "array", "items", items)
		if s.tag == "yaml" && (t.Elem().Kind() == reflect.String || reflect.PointerTo(t.Elem()).Implements(textual)) {
			return pairs("oneOf", []any{items, list})
		}
		return list
	case reflect.Map:
		return pairs("type", "object", "additionalProperties", pairs("type", []string{"string", "number", "boolean"}))
	case reflect.Bool:
		return pairs("type", "boolean")
	case reflect.Uint16:
		return pairs("type", "integer", "minimum", 0, "maximum", 1<<16-1)
	case reflect.Uint64, reflect.Int:
		return pairs("type", "integer", "minimum", 0)
	case reflect.Float64:
		return pairs("type", "number")
	case reflect.String:
		if s.tag == "yaml" {
			return pairs("type", []string{"string", "number"})
		}
		return pairs("type", "string")
	}
	panic("lab: no schema for " + t.String())
}

// ofUnion is one of several, told apart by the word of a key or by which key is there.
func (s *schemas) ofUnion(u union) object {
	var all []any
	for i, x := range u.variants() {
		t := reflect.TypeOf(x.make()).Elem()
		var o object
		if u.key() != "" {
			o = s.ofStruct(t, []member{{u.key(), pairs("const", x.name)}})
			if _, usual := u.(*Endpoint); !usual || i > 0 {
				required := []string{u.key()}
				if r, ok := o.get("required").([]string); ok {
					required = append(required, r...)
				}
				o.set("required", required)
			}
		} else {
			o = s.ofStruct(t, nil)
			required := []string{x.name}
			if r, ok := o.get("required").([]string); ok {
				required = append(required, r...)
			}
			o.set("required", required)
		}
		o.set("description", x.doc)
		all = append(all, o)
	}
	return pairs("oneOf", all)
}
