package serve_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/servers/serve"
)

var packaging = filepath.Join("..", "..", "packaging")

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{packaging}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The configuration beside the unit is one.
func TestPackagedConfiguration(t *testing.T) {
	values, err := serve.ReadFile("natproof.yaml", []byte(read(t, "systemd", "natproof.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := serve.Build(values)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing that needs a capability.
	for _, a := range []uint16{cfg.Listen.Port(), cfg.STUN.Port(), cfg.STUNAlternate.Port(), cfg.GatewayListen.Port(), cfg.Metrics.Port()} {
		if a < 1024 {
			t.Errorf("port %d", a)
		}
	}
	// The image says which ports there are.
	exposed := read(t, "oci", "Containerfile")
	for _, port := range []string{"5060/udp", "3478/udp", "3479/udp", "9090/tcp"} {
		if !strings.Contains(exposed, port) {
			t.Errorf("%s is not exposed", port)
		}
	}
}

// What the unit gives the program are flags of it, and the time it has to stop is more than it
// takes.
func TestUnit(t *testing.T) {
	unit := read(t, "systemd", "natproof.service")
	_, start, ok := strings.Cut(unit, "\nExecStart=")
	start, _, _ = strings.Cut(start, "\n")
	flags := regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(start, -1)
	if !ok || len(flags) == 0 {
		t.Fatal(start)
	}
	for _, f := range flags {
		if f[1] != "config" && !slices.ContainsFunc(serve.Settings(), func(s serve.Setting) bool { return s.Name == f[1] }) {
			t.Errorf("no flag --%s", f[1])
		}
	}
	cfg, err := serve.Build(nil)
	if err != nil || cfg.ShutdownTimeout.String() != "10s" || !strings.Contains(unit, "\nTimeoutStopSec=20s\n") || !strings.Contains(unit, "\nType=notify\n") {
		t.Error(err, cfg.ShutdownTimeout)
	}
}
