package watch_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/emulator/lab/watch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const text = `title: a call through a NAT
nats:
  nat: {model: port-restricted, external: 198.51.100.1}
sites:
  home: {prefix: 10.0.0.0/24, behind: nat, hosts: {alice: 10.0.0.2}}
  public: {prefix: 203.0.113.0/24, hosts: {proxy: 203.0.113.10, bob: 203.0.113.40}}
servers:
  proxy: {kind: registrar, policy: received}
endpoints:
  alice: {rport: true}
  bob: {}
script:
  - {at: 0s, register: alice}
  - {register: bob}
  - {at: 100ms, call: alice, to: bob}
lasts: 1200ms
`

func file(t *testing.T) *lab.File {
	t.Helper()
	f, err := lab.Parse("watch.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// snapshots of a lab as it plays, until two are enough; for a minute at most.
func snapshots(t *testing.T, enough func(now, before lab.Snapshot) bool) (now, before lab.Snapshot) {
	t.Helper()
	f, err := lab.Parse("watch.yaml", []byte(strings.Replace(text, "lasts: 1200ms", "lasts: 1m", 1)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var looking sync.WaitGroup
	_, err = f.Play(ctx, lab.Options{Clock: lab.Real, OnStart: func(look func() lab.Snapshot) {
		looking.Go(func() {
			defer cancel()
			for now = look(); ctx.Err() == nil && !enough(now, before); now = look() {
				before = now
				time.Sleep(200 * time.Millisecond)
			}
		})
	}})
	cancel()
	looking.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return now, before
}

// Whatever the size, the screen is no larger, and shows what there is room for.
func TestRender(t *testing.T) {
	missing := func(now, before lab.Snapshot) (screen, what string) {
		screen = watch.Render("a call through a NAT", now, before, 120, 40)
		for _, want := range []string{"a call through a NAT", "nat: ", "10.0.0.2:40000 <-> 198.51.100.1:40000", "alice -> bob: up since", "RTP  alice -> bob", "alice calls bob", "internet RTP: no-route"} {
			if !strings.Contains(screen, want) {
				return screen, want
			}
		}
		return screen, ""
	}
	now, before := snapshots(t, func(now, before lab.Snapshot) bool {
		_, what := missing(now, before)
		return what == ""
	})
	if screen, what := missing(now, before); what != "" {
		t.Errorf("no %q in\n%s", what, screen)
	}
	for _, size := range [][2]int{{120, 40}, {80, 24}, {40, 10}, {20, 4}, {1, 1}} {
		screen := watch.Render("a call through a NAT", now, before, size[0], size[1])
		lines := strings.Split(screen, "\n")
		if len(lines) > max(size[1], 4) {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, l := range lines {
			if utf8.RuneCountInString(l) > max(size[0], 20) {
				t.Errorf("%v: %q is too long", size, l)
			}
		}
	}
}

// It ends with the lab.
func TestRunEndsWithTheLab(t *testing.T) {
	w := watch.New("a call through a NAT")
	var played error
	go func() {
		_, played = file(t).Play(context.Background(), lab.Options{Clock: lab.Real, OnStart: w.Start})
		w.Stop()
	}()
	in, stdin := io.Pipe()
	defer stdin.Close()
	var out bytes.Buffer
	if err := w.Run(t.Context(), in, &out); err != nil || played != nil {
		t.Error(err, played)
	}
	if !strings.Contains(out.String(), "through") {
		t.Errorf("nothing was drawn: %q", out.String())
	}
}

// It ends at the keyboard.
func TestRunEndsAtTheKeyboard(t *testing.T) {
	w := watch.New("a lab that never begins")
	in, stdin := io.Pipe()
	go func() { stdin.Write([]byte("q")) }()
	defer stdin.Close()
	if err := w.Run(t.Context(), in, io.Discard); !errors.Is(err, watch.ErrQuit) {
		t.Error(err)
	}
}
