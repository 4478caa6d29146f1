package emulator_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/natproof/natproof/emulator"
	"github.com/natproof/natproof/natmodels"
	"github.com/natproof/natproof/natmodels/catalogue"
	"github.com/natproof/natproof/vnet"
)

const second = "203.0.113.11" // address of the STUN server

// dependences are the words of turnutils_natdiscovery for behaviours.
var dependences = map[natmodels.Dependence]string{
	natmodels.EndpointIndependent:     "Endpoint Independent",
	natmodels.AddressDependent:        "Address Dependent",
	natmodels.AddressAndPortDependent: "Address and Port Dependent",
}

var verdictLine = regexp.MustCompile(`(?m)^NAT with (.+) (Mapping|Filtering)!$`)

// verdict is what turnutils_natdiscovery finds out.
func verdict(t *testing.T, text []byte, err error) (mapping, filtering string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, m := range verdictLine.FindAllSubmatch(text, -1) {
		if string(m[2]) == "Mapping" {
			mapping += string(m[1])
		} else {
			filtering += string(m[1])
		}
	}
	return mapping, filtering
}

var discovery = []string{"turnutils_natdiscovery", "-m", "-f", "-p", "3478", outside}

// turnserver is the command line of coturn's server on two addresses.
func turnserver(dir string) []string {
	return []string{
		"turnserver", "-n", "-S", "-L", outside, "-L", second, "-p", "3478", "--alt-listening-port", "3479", "--no-cli", "--no-tls", "--no-dtls",
		"--log-file", filepath.Join(dir, "log"), "--simple-log", "--pidfile", filepath.Join(dir, "pid"), "--db", filepath.Join(dir, "db"),
	}
}

// answers waits until a STUN server answers (RFC 8489 section 5).
func answers(t *testing.T, dial func() (net.Conn, error)) {
	t.Helper()
	request := append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, "natprooftest"...)
	for range patience / (20 * time.Millisecond) {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(500 * time.Millisecond))
		c.Write(request)
		k, _ := c.Read(make([]byte, 1500))
		c.Close()
		if k > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("the STUN server does not answer")
}

// dialIn connects from a namespace that is named by a path.
func dialIn(path, to string) (c net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		var f *os.File
		if f, err = os.Open(path); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err == nil {
			c, err = net.Dial("udp4", to)
		}
	}()
	<-done
	return c, err
}

// serveSTUN runs the server on the internet, on two addresses.
func serveSTUN(t *testing.T, p *pair) {
	t.Helper()
	if err := p.out.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.out, err = emulator.Attach(p.out.Port().Site(), "server", emulator.Config{Addrs: append(p.out.Addrs(), addr(second))}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.out.Close() })
	line := turnserver(t.TempDir())
	if err := p.out.Command(line[0], line[1:]...).Start(); err != nil {
		t.Fatal(err)
	}
	answers(t, func() (net.Conn, error) { return p.out.Dial(t.Context(), "udp", second+":3479") })
}

// What a client sends to its own external address comes back if the NAT hairpins with the external source. With the
// internal one it comes from the client's own address, and Linux throws it away, which is why RFC 4787 has REQ-9.
func TestHairpinDiscovery(t *testing.T) {
	need(t, "turnutils_natdiscovery")
	need(t, "turnserver")
	full, err := catalogue.Lookup("full-cone")
	if err != nil {
		t.Fatal(err)
	}
	for hairpin, comes := range map[string]bool{"external-source": true, "internal-source": false, "off": false} {
		t.Run(hairpin, func(t *testing.T) {
			t.Parallel()
			model, err := catalogue.Vary(full, "hairpin "+hairpin)
			if err != nil {
				t.Fatal(err)
			}
			p := newPairBehind(t, model, vnet.LinkConfig{}, emulator.Auto)
			serveSTUN(t, p)
			out, err := p.in.Command("turnutils_natdiscovery", "-H", "-p", "3478", outside).CombinedOutput()
			if err != nil || strings.Contains(string(out), "successful hairpinning") != comes {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// An independent client behind each behaviour, and some devices, finds what the model says, with an independent server on
// the internet.
func TestNATDiscovery(t *testing.T) {
	need(t, "turnutils_natdiscovery")
	need(t, "turnserver")
	t.Parallel()
	var all sync.WaitGroup // the client waits most of the time: all at once, not as many as there are processors
	defer all.Wait()
	for _, name := range append(catalogue.PresetNames(), "linux-masquerade", "cisco-asa", "aws-nat-gateway") {
		model, err := catalogue.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		b := model.Behavior()
		if !b.Translates() {
			continue
		}
		all.Go(func() {
			t.Run(name, func(t *testing.T) {
				p := newPair(t, name, vnet.LinkConfig{}, emulator.Auto)
				serveSTUN(t, p)
				var text []byte
				var err error
				var mapping, filtering string
				for range 5 { // the client asks once and waits 3 s, which others may need the processor for
					text, err = p.in.Command(discovery[0], discovery[1:]...).CombinedOutput()
					if mapping, filtering = verdict(t, text, err); mapping == dependences[b.Mapping] && filtering == dependences[b.Filtering] {
						return
					}
				}
				if mapping != dependences[b.Mapping] || filtering != dependences[b.Filtering] {
					t.Errorf("%s, %s, and it is %v\n%s", mapping, filtering, b.Code(), text)
				}
			})
		})
	}
}

// The same client finds the same behind Linux itself.
func TestNATDiscoveryBehindLinux(t *testing.T) {
	need(t, "turnutils_natdiscovery")
	need(t, "turnserver")
	if os.Geteuid() != 0 {
		t.Skip("needs root, or a user namespace")
	}
	t.Parallel()
	kernel := kernelRouter(t)
	enter := func(ns string, line ...string) *exec.Cmd {
		return exec.Command("nsenter", append([]string{"--net=" + ns}, line...)...)
	}
	if text, err := enter(kernel.out, "ip", "addr", "add", second+"/24", "dev", "eth0").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	server := enter(kernel.out, turnserver(t.TempDir())...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	answers(t, func() (net.Conn, error) { return dialIn(kernel.out, second+":3479") })
	text, err := enter(kernel.in, discovery...).CombinedOutput()
	mapping, filtering := verdict(t, text, err)
	model, err := catalogue.Lookup("linux-masquerade")
	if err != nil {
		t.Fatal(err)
	}
	if b := model.Behavior(); mapping != dependences[b.Mapping] || filtering != dependences[b.Filtering] {
		t.Errorf("%s, %s, and the model is %v\n%s", mapping, filtering, b.Code(), text)
	}
}
