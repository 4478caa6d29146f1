package emulator_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/vnet"
)

// victimVar has the test binary be a process that is to be killed. Its value is in the arguments of all programs that it
// runs.
const victimVar = "NATPROOF_TEST_VICTIM"

// beVictim runs programs that run others, in a namespace, until it is killed. It writes the numbers of its namespaces.
func beVictim() {
	here, code, err := emulator.Enter()
	if !here {
		os.Exit(code)
	}
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	fail(err)
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	fail(err)
	for i := range 2 {
		site, err := lab.Internet().AddSite(fmt.Sprint("site", i), vnet.SiteConfig{Prefix: prefix(fmt.Sprintf("203.0.%d.0/24", i)), Hosts: vnet.Native})
		fail(err)
		n, err := emulator.Attach(site, fmt.Sprint("program", i), emulator.Config{Addrs: []netip.Addr{addr(fmt.Sprintf("203.0.%d.10", i))}})
		fail(err)
		var st unix.Stat_t
		fail(unix.Stat(n.Path(), &st))
		fmt.Println(st.Ino)
		mark := os.Getenv(victimVar)
		fail(n.Command("sh", "-c", strings.ReplaceAll(`sleep MARK & setsid sleep MARK & (setsid sh -c "sleep MARK & wait" &); trap "" HUP TERM; while :; do wait; done`, "MARK", mark)).Start())
	}
	fmt.Println("ready")
	if os.Getenv(victimVar+"_PANIC") != "" {
		panic("as programs do")
	}
	select {}
}

// left are the processes of a victim, by what their environment has from it: all that is in its namespaces is started by
// it. Numbers of namespaces say nothing, since they are given again at once.
func left(mark string) (all []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		environment, _ := os.ReadFile(d + "/environ")
		if bytes.Contains(environment, []byte(victimVar+"="+mark)) {
			line, _ := os.ReadFile(d + "/cmdline")
			all = append(all, d+": "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return all
}

// Nothing is left of a process that was killed at any moment: no process, namespace, device, mount or file.
func TestKilled(t *testing.T) {
	kills := 20
	if require {
		kills = 100
	}
	newPair(t, "none", vnet.LinkConfig{}, emulator.Auto) // or is skipped
	t.Parallel()
	before := host(t)
	random := rand.New(rand.NewPCG(1, 1))
	reached := 0
	for i := range kills * 13 / 10 { // and other ends
		mark := strconv.Itoa(54_000_000 + os.Getpid()%100_000*100 + i)
		how, signal := "", syscall.SIGKILL
		switch {
		case i < kills:
		case i%3 == 0:
			signal = syscall.SIGINT
		case i%3 == 1:
			signal = syscall.SIGTERM
		default:
			how = "1"
		}
		tmp := t.TempDir()
		c := exec.Command("/proc/self/exe")
		c.Env = append(os.Environ(), victimVar+"="+mark, victimVar+"_PANIC="+how, "TMPDIR="+tmp)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		var spaces []string
		lines := bufio.NewScanner(out)
		if i%2 == 0 { // when everything is there, and a little later
			for lines.Scan() && lines.Text() != "ready" {
				spaces = append(spaces, lines.Text())
			}
			reached++
		}
		time.Sleep(time.Duration(random.IntN(40)) * time.Millisecond)
		if how == "" {
			c.Process.Signal(signal)
		}
		for lines.Scan() {
			spaces = append(spaces, lines.Text())
		}
		c.Wait()
		if slices.ContainsFunc(spaces, func(s string) bool { return strings.HasPrefix(s, "error") }) {
			t.Fatal(spaces)
		}
		all := left(mark)
		for n := 0; len(all) > 0 && n < 6000; n++ { // the kernel takes its time
			time.Sleep(10 * time.Millisecond)
			all = left(mark)
		}
		if len(all) > 0 {
			t.Fatalf("kill %d by %v leaves %q", i, signal, all)
		}
		if files, _ := os.ReadDir(tmp); len(files) > 0 {
			t.Fatalf("kill %d leaves %v", i, files)
		}
	}
	if after := host(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
	t.Logf("%d of %d were up when they were killed", reached, kills*13/10)
}

// host is what of the host a namespace may leave behind: interfaces and mounts.
func host(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	devices, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(devices)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return string(mounts) + strings.Join(names, " ")
}

// Closing leaves no goroutine, descriptor or thread, and frees name and address.
func TestCloseLeavesNothing(t *testing.T) {
	lab, err := vnet.New(vnet.Config{DiscardTrace: true})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	site, err := lab.Internet().AddSite("dc", vnet.SiteConfig{Prefix: prefix("203.0.113.0/24"), Hosts: vnet.Native})
	if err != nil {
		t.Fatal(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	descriptors := func() int {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	once := func() {
		for _, d := range drivers() {
			n, err := emulator.Attach(site, "program", emulator.Config{Addrs: []netip.Addr{addr(outside)}, Driver: d})
			if err != nil {
				skip(t, err)
			}
			if err := n.Command("true").Run(); err != nil {
				t.Error(err)
			}
			if err := n.Command("sleep", "1000").Start(); err != nil {
				t.Error(err)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	once()
	before := descriptors()
	for range 10 {
		once()
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}
