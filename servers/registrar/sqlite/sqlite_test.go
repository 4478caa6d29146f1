package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/natproof/natproof/servers/registrar"
	"github.com/natproof/natproof/servers/registrar/sqlite"
)

var start = time.Unix(1e9, 7)

func open(t *testing.T, file string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func record(kind, key string, ends time.Duration, data string) registrar.Record {
	return registrar.Record{Kind: kind, Key: key, Expires: start.Add(ends), Data: []byte(data)}
}

func save(t *testing.T, s *sqlite.Store, c registrar.Changes) {
	t.Helper()
	if err := s.Save(c); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, s *sqlite.Store, records ...registrar.Record) {
	t.Helper()
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(records, got); d != "" {
		t.Error(d)
	}
}

func TestRecords(t *testing.T) {
	file := filepath.Join(t.TempDir(), "100% of it?#.db")
	s := open(t, file)
	want(t, s)
	b, a := record("b", "bob\x00\xff", time.Minute, "\x00\xff"), record("a", "", time.Hour, "x")
	save(t, s, registrar.Changes{Put: []registrar.Record{b, a, record("a", "x", time.Minute, "y")}, Now: start})
	want(t, s, a, record("a", "x", time.Minute, "y"), b)
	b.Data, b.Expires = []byte("new"), start.Add(time.Second)
	save(t, s, registrar.Changes{Put: []registrar.Record{b}, Delete: []registrar.Record{{Kind: "a", Key: "x"}, {Kind: "c", Key: "x"}}, Now: start})
	want(t, s, a, b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	s = open(t, file)
	want(t, s, a, b)
	save(t, s, registrar.Changes{Now: start.Add(time.Second - 1)})
	want(t, s, a, b)
	save(t, s, registrar.Changes{Now: start.Add(time.Second)})
	want(t, s, a)
}

func TestAllOrNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "r.db"))
	bad := record("a", "2", time.Hour, "")
	bad.Data = nil // no blob
	if err := s.Save(registrar.Changes{Put: []registrar.Record{record("a", "1", time.Hour, "x"), bad}, Now: start}); err == nil {
		t.Error("kept a record without data")
	}
	want(t, s)
}

func TestOneServerAtATime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.db")
	s := open(t, file)
	for range 2 {
		if _, err := sqlite.Open(file); !errors.Is(err, sqlite.ErrInUse) {
			t.Fatal(err)
		}
	}
	save(t, s, registrar.Changes{Put: []registrar.Record{record("a", "1", time.Hour, "x")}, Now: start})
	if _, err := sqlite.Open(file); !errors.Is(err, sqlite.ErrInUse) {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, file), record("a", "1", time.Hour, "x"))
}

// What is not ours is refused, and left as it is.
func TestRefused(t *testing.T) {
	exec := func(statements string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			db, err := sql.Open("sqlite", file)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(statements); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, file string)
		want error
	}{
		{"text", write("not a database, but long enough to be taken for one: " + string(bytes.Repeat([]byte("x"), 4096))), sqlite.ErrForeign},
		{"a few bytes", write("hello"), sqlite.ErrForeign},
		{"another program's tables", exec("CREATE TABLE t (x)"), sqlite.ErrForeign},
		{"another program's mark", exec("PRAGMA application_id=1"), sqlite.ErrForeign},
		{"a later version", exec("PRAGMA application_id=0x6e617470; PRAGMA user_version=99; CREATE TABLE t (x)"), sqlite.ErrVersion},
		{"damaged", damage, sqlite.ErrDamaged},
		{"cut short", cutShort, sqlite.ErrDamaged},
		{"ours without a table", exec("PRAGMA application_id=0x6e617470; PRAGMA user_version=1; CREATE TABLE t (x)"), sqlite.ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "r.db")
			c.make(t, file)
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := sqlite.Open(file); !errors.Is(err, c.want) {
				t.Errorf("%v", err)
				if s != nil {
					s.Close()
				}
			} else {
				t.Log(err)
			}
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
				t.Errorf("changed: %v", err)
			}
		})
	}
	for name, file := range map[string]string{"no directory": filepath.Join(t.TempDir(), "no", "r.db"), "a directory": t.TempDir()} {
		if _, err := sqlite.Open(file); err == nil {
			t.Error(name)
		}
	}
}

func write(text string) func(t *testing.T, file string) {
	return func(t *testing.T, file string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// full makes a file of many pages.
func full(t *testing.T, file string) []byte {
	s, err := sqlite.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	c := registrar.Changes{Now: start}
	for i := range 500 {
		c.Put = append(c.Put, record("a", fmt.Sprint(i), time.Hour, string(bytes.Repeat([]byte{'x'}, 200))))
	}
	save(t, s, c)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func damage(t *testing.T, file string) {
	b := full(t, file)
	for i := 4096; i < len(b); i += 7 {
		b[i] ^= 0x55
	}
	write(string(b))(t, file)
}

func cutShort(t *testing.T, file string) {
	b := full(t, file)
	write(string(b[:len(b)/2]))(t, file)
}
