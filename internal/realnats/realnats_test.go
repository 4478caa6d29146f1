//go:build realnats

package realnats

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
)

var (
	require   = flag.Bool("require", false, "fail where there is nothing to measure, instead of skipping")
	lifetimes = flag.Bool("lifetimes", false, "measure the timers too, which takes half an hour")
)

//go:embed lab.sh
var lab string

// natproof is the command, where those who are not root may run it.
var natproof string

func TestMain(m *testing.M) {
	flag.Parse()
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil { // where the commands are
		panic(err)
	}
	dir, err := os.MkdirTemp("", "realnats")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		panic(err)
	}
	natproof = filepath.Join(dir, "natproof")
	build := exec.Command("go", "build", "-o", natproof, "github.com/natproof/natproof/cmd/natproof")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, said))
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// program runs the command in a lab behind a NAT and returns its output.
func program(t *testing.T, nat string, limit time.Duration, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, "unshare", append([]string{"--net", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", lab, "lab.sh", nat, natproof, natproof}, args...)...)
	c.WaitDelay = 10 * time.Second
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, errs.String(), out)
	}
	return out
}

// missing says what a NAT needs and is not here.
func missing(commands ...string) error {
	var errs []error
	if os.Getuid() != 0 {
		errs = append(errs, errors.New("not root"))
	}
	for _, name := range append([]string{"unshare", "nsenter", "ip"}, commands...) {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// version is what Debian says of a package, or the command of itself.
func version(t *testing.T, pack string, command ...string) string {
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", pack).Output(); err == nil {
		return pack + " " + string(out)
	}
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

func kernel(t *testing.T) string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	return "Linux " + strings.TrimSpace(string(b))
}

// report is what is compared of natproof/discover/v1.
type report struct {
	NAT, SamePort, Hairpinning, ALG string
	Mapping, Filtering              string
	Mapped, HairpinSource           string
	Lifetime                        struct {
		Alive, Expired  time.Duration
		Unreplied       struct{ Alive, Expired time.Duration }
		OutboundRefresh string
		InboundRefresh  string
	}
}

func TestEntriesAreAsTheRealThing(t *testing.T) {
	for _, x := range []struct {
		nat     string
		needs   []string
		version func(t *testing.T) string
		entry   func(version string) string
	}{
		{"docker", []string{"nft", "sysctl"}, kernel, func(string) string { return "docker" }},
		{"slirp4netns", []string{"slirp4netns"}, func(t *testing.T) string { return version(t, "slirp4netns", "slirp4netns", "--version") },
			func(string) string { return "qemu-user" }},
		{"pasta", []string{"pasta", "setpriv"}, func(t *testing.T) string { return version(t, "passt", "pasta", "--version") }, pastaEntry},
	} {
		t.Run(x.nat, func(t *testing.T) {
			t.Parallel()
			if err := missing(x.needs...); err != nil {
				if *require {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			v := x.version(t)
			name := x.entry(v)
			model, err := catalogue.Lookup(name)
			if err != nil {
				t.Fatal(err)
			}
			want := model.Behavior()
			t.Logf("%s: the entry %s", v, name)
			var r report
			args, limit := []string{"discover", "203.0.113.10", "--json", "-"}, 3*time.Minute
			// Discovery cannot measure the timers of this pasta: an inside port that has been idle for
			// too long gets no more answers.
			measure := *lifetimes && name != "passt-2023"
			if measure {
				args, limit = append(args, "--lifetime", (want.Idle+want.Idle/4).String(), "--precision", precision.String()), time.Hour
			}
			if err := json.Unmarshal(program(t, x.nat, limit, args...), &r); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			compare(t, r, want)
			if measure {
				timers(t, r, want)
			}
			var sip struct{ ALG, Reachable string }
			if err := json.Unmarshal(program(t, x.nat, time.Minute, "discover", "--sip", "203.0.113.10", "--json", "-"), &sip); err != nil {
				t.Fatal(err)
			}
			if sip.Reachable != "yes" || sip.ALG != "no" {
				t.Errorf("SIP: %+v", sip)
			}
		})
	}
}

// pastaEntry is the entry that a version of pasta has.
func pastaEntry(version string) string {
	day := regexp.MustCompile(`git(\d{8})`).FindStringSubmatch(version)
	if day != nil && day[1] < "20240701" { // before UDP had flows
		return "passt-2023"
	}
	return "passt"
}

func compare(t *testing.T, r report, want natmodels.Behavior) {
	t.Helper()
	yes := map[bool]string{true: "yes", false: "no"}
	for _, x := range []struct{ what, got, want string }{
		{"NAT", r.NAT, yes[want.Translates()]},
		{"mapping", r.Mapping, want.Mapping.String()},
		{"filtering", r.Filtering, want.Filtering.String()},
		{"port kept", r.SamePort, yes[want.PreservesPort(50000)]},
		{"hairpinning", r.Hairpinning, yes[want.Hairpin != natmodels.NoHairpinning]},
		{"payload rewritten", r.ALG, "no"},
	} {
		if x.got != x.want {
			t.Errorf("%s: measured %s, the entry says %s", x.what, x.got, x.want)
		}
	}
	if external := strings.HasPrefix(r.HairpinSource, "198.51.100.1:"); want.Hairpin == natmodels.ExternalSource && !external {
		t.Errorf("hairpinned packets come from %s", r.HairpinSource)
	}
}

// precision is how closely timers are measured.
const precision = 8 * time.Second

func timers(t *testing.T, r report, want natmodels.Behavior) {
	t.Helper()
	l := r.Lifetime
	if l.Alive > want.Idle+2*time.Second || l.Expired < want.Idle-2*time.Second {
		t.Errorf("idle: measured %v to %v, the entry says %v", l.Alive, l.Expired, want.Idle)
	}
	if u := l.Unreplied; u.Alive > want.Unreplied+2*time.Second || u.Expired < want.Unreplied-2*time.Second {
		t.Errorf("unreplied: measured %v to %v, the entry says %v", u.Alive, u.Expired, want.Unreplied)
	}
}
