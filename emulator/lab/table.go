package lab

// Table is a mapping of names to values, in the order of the file.
type Table[T any] []Named[T]

// Named is one of them.
type Named[T any] struct {
	Name  string
	Value T
}

// Find is the value of a name, or nil.
func (t Table[T]) Find(name string) *T {
	for i := range t {
		if t[i].Name == name {
			return &t[i].Value
		}
	}
	return nil
}

// Names are all names in the order of the file.
func (t Table[T]) Names() []string {
	all := make([]string, len(t))
	for i := range t {
		all[i] = t[i].Name
	}
	return all
}

// table is what the decoder and the schema know of one.
type table interface {
	add(name string) any // a pointer to the new value
	each(func(name string, value any))
	blank() any
}

func (t *Table[T]) add(name string) any {
	*t = append(*t, Named[T]{Name: name})
	return &(*t)[len(*t)-1].Value
}

func (t *Table[T]) each(f func(string, any)) {
	for i := range *t {
		f((*t)[i].Name, &(*t)[i].Value)
	}
}

func (t *Table[T]) blank() any { return new(T) }
