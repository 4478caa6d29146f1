package registrar

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A shelf is a store in memory.
type shelf struct {
	records map[string]Record
	mu      sync.Mutex // of records
	fault   error
	onSave  func(c Changes)
}

func newShelf() *shelf { return &shelf{records: map[string]Record{}} }

func (s *shelf) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

func (s *shelf) Load() ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Record
	for _, k := range slices.Sorted(maps.Keys(s.records)) {
		list = append(list, s.records[k])
	}
	return list, s.fault
}

func (s *shelf) Save(c Changes) error {
	if s.fault != nil {
		return s.fault
	}
	s.mu.Lock()
	for _, r := range c.Delete {
		delete(s.records, r.Kind+" "+r.Key)
	}
	for _, r := range c.Put {
		s.records[r.Kind+" "+r.Key] = r
	}
	maps.DeleteFunc(s.records, func(_ string, r Record) bool { return !c.Now.Before(r.Expires) })
	s.mu.Unlock()
	if s.onSave != nil {
		s.onSave(c)
	}
	return nil
}

// restart puts another server with the same configuration in the place of the lab's.
func (l *lab) restart() {
	l.Helper()
	cfg := l.srv.cfg
	if err := l.srv.Close(); err != nil {
		l.Fatal(err)
	}
	srv, err := New(l.listen(l.proxy), cfg)
	if err != nil {
		l.Fatal(err)
	}
	l.srv = srv
	go srv.Serve()
	l.Cleanup(func() { srv.Close() })
}

func TestStoreKeepsBindings(t *testing.T) {
	inLab(t, Config{Store: newShelf(), Policy: PolicyReceived}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:42222")
		bob.register("Contact: <sip:bob@10.0.0.2>;q=0.5;+sip.instance=\"<urn:x>\";reg-id=1, <sip:b\xffob@10.0.0.1>;expires=60", "Path: <sip:198.51.100.9;lr>", "Supported: path")
		before := l.srv.Bindings("bob")
		l.restart()
		after := l.srv.Bindings("bob")
		if len(before) != 2 || len(after) != 2 {
			t.Fatal(before, after)
		}
		for i := range before {
			b, a := before[i], after[i]
			if !a.Expires.Equal(b.Expires) || a.Contact != b.Contact || a.Received != b.Received || a.Q != b.Q || a.CallID != b.CallID ||
				a.CSeq != b.CSeq || a.Instance != b.Instance || a.RegID != b.RegID || !slices.Equal(a.Path, b.Path) {
				t.Errorf("%+v became %+v", b, a)
			}
		}
		bob.sendRegister("CSeq: 1 REGISTER", "Contact: <sip:bob@10.0.0.2>") // as old as what was kept
		bob.response(500)
		time.Sleep(time.Minute)
		l.restart()
		if b := l.srv.Bindings("bob"); len(b) != 1 || b[0].Contact != "sip:bob@10.0.0.2" {
			t.Error(b)
		}
		bob.sendRegister("CSeq: 9 REGISTER", "Contact: *", "Expires: 0")
		bob.response(200)
		l.restart()
		if b := l.srv.Bindings("bob"); len(b) != 0 {
			t.Error(b)
		}
	})
}

// The 200 leaves after the binding was kept; without that it does not leave.
func TestStoreComesFirst(t *testing.T) {
	store := newShelf()
	inLab(t, Config{Store: store}, func(l *lab) {
		bob := l.phone("bob", "198.51.100.2:5060")
		store.onSave = func(Changes) {
			if len(bob.in) > 0 {
				t.Error("answered before it was kept")
			}
		}
		bob.register()
		store.fault = errors.New("the disk is full")
		bob.sendRegister("Contact: <sip:bob@198.51.100.3>")
		bob.response(500)
		if b := l.srv.Bindings("bob"); len(b) != 1 {
			t.Error(b)
		}
		l.wantEvent("answered 500 to REGISTER", "not kept: the disk is full")
		if st := l.srv.Stats(); st.StoreErrors != 1 || st.Rejected[500] != 1 || st.Registrations != 1 || outcomes(st) != st.Datagrams {
			t.Errorf("%+v", st)
		}
		store.fault = nil
		bob.register()
	})
}

func TestStoreRefused(t *testing.T) {
	later := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		store *shelf
		says  string
	}{
		"unreadable":      {&shelf{fault: errors.New("no disk")}, "no disk"},
		"unknown kind":    {&shelf{records: map[string]Record{"": {Kind: "x", Key: "y", Expires: later}}}, `x "y": unknown kind`},
		"nonsense":        {&shelf{records: map[string]Record{"": {Kind: kindBindings, Key: "y", Expires: later, Data: []byte("nonsense")}}}, `bindings "y"`},
		"weak secret":     {&shelf{records: map[string]Record{"": {Kind: kindSecret, Expires: later, Data: []byte("x")}}}, "no secret"},
		"nothing":         {&shelf{records: map[string]Record{"": {Kind: kindBindings, Key: "y", Expires: later}}}, `bindings "y"`},
		"no binding":      {&shelf{records: map[string]Record{"": {Kind: kindBindings, Key: "y", Expires: later, Data: encode([]Binding{{User: "y"}})}}}, "is no binding"},
		"somebody else's": {&shelf{records: map[string]Record{"": {Kind: kindBindings, Key: "y", Expires: later, Data: encode([]Binding{{User: "z", Contact: "sip:z@h", Received: ap("192.0.2.1:1")}})}}}, "is no binding"},
	} {
		if s, err := New(newHub().listen(proxyAddr), Config{Store: c.store}); !errors.Is(err, ErrStore) || s != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A call goes on over a restart: the Record-Route of before still proves that it was let through.
func TestStoreKeepsCalls(t *testing.T) {
	inLab(t, Config{Store: newShelf()}, func(l *lab) {
		l.srv.cfg.Seed = 0 // with a seed they are the same anyway
		l.restart()
		first := l.srv.key
		alice, bob := l.phone("alice", "198.51.100.1:5060"), l.phone("bob", "198.51.100.2:5060")
		bob.register()
		alice.ask("INVITE", "sip:bob@example.com")
		alice.response(100)
		bob.ok(bob.request("INVITE"))
		ok := alice.response(200)
		alice.within("ACK", ok)
		bob.request("ACK")
		l.restart()
		if l.srv.key == first {
			t.Error("what else is random is not new")
		}
		alice.within("BYE", ok)
		bob.ok(bob.request("BYE"))
		alice.response(200)
	})
}
