package lab_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/natproof/natproof/emulator/lab"
	"github.com/natproof/natproof/natmodels"
)

// small is a lab that is right.
const small = `title: idle
nats:
  nat: {model: port-restricted, external: 198.51.100.1}
sites:
  home: {prefix: 10.0.0.0/24, behind: nat, hosts: {alice: 10.0.0.2, spare: 10.0.0.3}}
  public: {prefix: 203.0.113.0/24, link: latency=10ms, hosts: {proxy: 203.0.113.10, bob: [203.0.113.40, 203.0.113.41]}}
servers:
  proxy: {kind: registrar, policy: received}
endpoints:
  alice: {rport: true}
  bob: {}
script:
  - {at: 0s, register: alice}
  - {after: 20m, call: bob, to: alice}
expect:
  - {unanswered: bob, status: 408}
`

func TestSmall(t *testing.T) {
	f, err := lab.Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	r := played(t, f, lab.Options{})
	if !r.Holds() || r.Seed != 1 || r.Title != "idle" {
		t.Errorf("%+v", r.Verdicts)
	}
}

// Each mistake is told with its place, in words that help.
func TestMistakes(t *testing.T) {
	for _, x := range []struct {
		name, old, new string
		at             string // line:column
		says           string
	}{
		{"an unknown key", "external:", "externl:", "3:33", "did you mean external?"},
		{"an unknown NAT model", "port-restricted", "port-restrictd", "3:16", "did you mean port-restricted?"},
		{"an unknown NAT", "behind: nat", "behind: nta", "5:39", "did you mean nat?"},
		{"a NAT behind itself", "model: port-restricted,", "model: port-restricted, behind: nat,", "3:41", "behind itself"},
		{"an address that is none", "10.0.0.2,", "10.0.0,", "5:59", "is not an address such as"},
		{"an address of another network", "alice: 10.0.0.2", "alice: 10.0.1.2", "5:52", "not in 10.0.0.0/24"},
		{"an address twice", "spare: 10.0.0.3", "spare: 10.0.0.2", "5:69", "the address 10.0.0.2"},
		{"the address of the router", "spare: 10.0.0.3", "spare: 10.0.0.1", "5:69", "router"},
		{"a name twice", "spare: ", "nat: ", "5:69", "given twice: the name nat"},
		{"a key twice", "policy: received", "kind: registrar", "8:28", "kind given twice"},
		{"a name that is none", "spare: ", "2spare: ", "5:69", "a letter first"},
		{"an unknown link setting", "latency=10ms", "latenzy=10ms", "6:42", `no setting "latenzy"`},
		{"an unknown preset", "link: latency=10ms", "link: dls", "6:42", "dsl"},
		{"an unknown kind", "kind: registrar", "kind: registar", "8:17", "did you mean registrar?"},
		{"no kind", "kind: registrar, ", "", "8:10", "kind is missing"},
		{"a policy that is none", "policy: received", "policy: recieved", "8:36", "did you mean received?"},
		{"neither true nor false", "rport: true", "rport: ja", "10:18", "neither true nor false"},
		{"an endpoint without a host", "alice: 10.0.0.2, ", "", "10:3", "unknown host"},
		{"ports that nobody forwards", "rport: true", "ports: static", "10:18", "no NAT forwards ports to alice"},
		{"STUN without a server", "rport: true", "ports: stun", "10:3", "needs a STUN server"},
		{"a time without a unit", "at: 0s", "at: 5", "13:10", "5 needs a unit"},
		{"a negative time", "at: 0s", "at: -5s", "13:10", "not between 0 and"},
		{"two moments", "after: 20m", "after: 20m, at: 1s", "14:5", "two ways to say when"},
		{"an unknown action", "register: alice", "regster: alice", "13:14", "did you mean register?"},
		{"two actions", "register: alice", "register: alice, hangup: alice", "13:5", "make two entries"},
		{"an unknown endpoint", "register: alice", "register: alcie", "13:24", "did you mean alice?"},
		{"nobody to call", ", to: alice", "", "14:5", "to is missing"},
		{"a moment that is over", "register: alice", "link: home, is: loss=20%, until: 0s", "13:47", "not after the moment"},
		{"a link changed twice", "register: alice", "link: home, is: loss=20%, until: 1h}\n  - {at: 1s, link: home, is: down", "14:5", "the step of line 13 changes that link until 1h0m0s"},
		{"a host that is taken", "register: alice", "roam: alice, to: bob", "13:31", "somebody is on the host bob"},
		{"a message that is none", "register: alice", "lose: INVIT, on: nat", "13:20", "did you mean INVITE?"},
		{"keys that are none", "register: alice", "press: alice, digits: 12x", "13:36", "want 0 to 9"},
		{"settings that are none", "register: alice", "change: nat, settings: hairpinn off", "13:37", "did you mean hairpin?"},
		{"an unknown expectation", "unanswered:", "unaswered:", "16:6", "did you mean unanswered?"},
		{"a number that is none", "408", "x", "16:31", "not a number"},
		{"a list where a mapping is wanted", "bob: {}", "bob: []", "11:8", "where a mapping is wanted"},
		{"nothing", "bob: {}", "bob:", "11:7", "nothing, where"},
		{"an anchor", "bob: {}", "bob: &x {}", "11:8", "markup"},
		{"a second document", "expect:", "---\nexpect:", "15:1", "a second document"},
		{"no YAML", "script:", "script: [", "15:1", "syntax error"},
		{"a control character", "title: idle", "title: id\x01le", "1:10", "control character"},
		{"an external address of a site", "external: 198.51.100.1", "external: 203.0.113.9", "3:43", "an address of the site public"},
		{"two sites of one network", "home: {prefix: 10.0.0.0/24, behind: nat, hosts: {alice: 10.0.0.2, spare: 10.0.0.3}}", "home: {prefix: 203.0.0.0/16, hosts: {alice: 203.0.0.2, spare: 203.0.0.3}}", "6:20", "overlaps with that of home"},
		{"too many keepalives", "rport: true", "keepalive: {kind: crlf, every: 1ns}", "10:42", "less than 100ms"},
		{"no title", "title: idle\n", "", "", "title is missing"},
	} {
		t.Run(x.name, func(t *testing.T) {
			bad := strings.Replace(small, x.old, x.new, 1)
			if bad == small {
				t.Fatal("nothing was replaced")
			}
			_, err := lab.Parse("small.yaml", []byte(bad))
			var all lab.Problems
			if !errors.As(err, &all) || len(all) == 0 {
				t.Fatalf("error %v", err)
			}
			want := "small.yaml:" + x.at + ": "
			if x.at == "" {
				want = "small.yaml: "
			}
			first := all[0].Error()
			if !strings.HasPrefix(first, want) || !strings.Contains(first, x.says) {
				t.Errorf("%s\nwant %s... %s", err, want, x.says)
			}
		})
	}
}

// A mistake in one part keeps nobody from telling it who goes by that part.
func TestMistakesThatOthersStumbleOver(t *testing.T) {
	for _, x := range []struct{ text, says string }{
		{"title: x\nnats: {fw: {model: ipv6-home}}\nsites: {home: {prefix: 10.0.0.0/24, behind: fw}}\nscript:\n  - {renumber: fw, to: 10.0.0.1}\n", "x.yaml:5:16: does not go together: fw has no external address"},
		{"title: x\nsites: {home: {prefix: 10.0.0.0/24, hosts: {pc: 10.0.0.2}}}\nservers: {proxy: {kind: registrar}}\nendpoints: {pc: {kind: program, run: x}}\n", "x.yaml:3:11: unknown host \"proxy\""},
		{"title: x\nsites: {home: {prefix: 10.0.0.0/24, hosts: {pc: []}}}\n", "x.yaml:2:49: an address is missing"},
		{"title: x\nnats: {n: {model: symmetric, external: []}}\nsites: {home: {prefix: 10.0.0.0/24}}\n", "x.yaml:2:8: external is missing"},
		{"title: x\nsites: {home: {prefix: 10.0.0.0/24, hosts: {a: 10.0.0.2, s: 10.0.0.3}}}\nservers: {s: {kind: stun}}\nendpoints: {a: {registrar: s}}\nscript:\n  - {call: a, to: a}\n", "x.yaml:4:28: does not go together: s is no registrar"},
		{"title: x\nsites: {home: {prefix: 10.0.0.0/24, hosts: {a: 10.0.0.2}}}\nendpoints: {a: {}}\n", "x.yaml:3:13: registrar is missing"},
		{"title: x\nsites: {}\nexpect:\n  - {exited: a}\n", "x.yaml:4:14: unknown endpoint \"a\""},
	} {
		_, err := lab.Parse("x.yaml", []byte(x.text))
		if err == nil || !strings.HasPrefix(err.Error(), x.says) {
			t.Errorf("%s\n%v\nwant %s", x.text, err, x.says)
		}
	}
}

// What only shows when the lab is built is told with the place of what it is about.
func TestMistakesThatShowWhenItIsBuilt(t *testing.T) {
	for _, x := range []struct{ name, old, new, says string }{
		{"two address families", "external: 198.51.100.1", `external: [198.51.100.1, "2001:db8::1"]`, "small.yaml:3:3: gateway \"nat\": config: external: 198.51.100.1 and 2001:db8::1 are of different families"},
		{"pooling of one address", "external: 198.51.100.1", "settings: pooling arbitrary, external: 198.51.100.1", "small.yaml:3:3: "},
		{"a registrar that cannot be", "policy: received", "policy: received, min-expires: 3h", "small.yaml:8:3: invalid configuration: MinExpires 3h0m0s"},
		{"an account that cannot be", "rport: true", `uri: "sip:a b@example.com"`, "small.yaml:10:3: invalid configuration: Account.URI"},
		{"a timer that cannot be", "rport: true", "session-timer: 10s", "small.yaml:10:3: "},
		{"a port forwarded twice", "external: 198.51.100.1", "external: 198.51.100.1, forwards: [{external: 198.51.100.1:1, internal: 10.0.0.2:1}, {external: 198.51.100.1:1, internal: 10.0.0.2:2}]", "small.yaml:3:3: "},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, err := lab.Parse("small.yaml", []byte(strings.Replace(small, x.old, x.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Play(t.Context(), lab.Options{})
			for _, err := range []error{f.Try(), err} {
				var all lab.Problems
				if !errors.As(err, &all) || !strings.HasPrefix(err.Error(), x.says) {
					t.Errorf("%v\nwant %s", err, x.says)
				}
			}
		})
	}
	if err := parsed(t, small).Try(); err != nil {
		t.Error(err)
	}
}

// The caret stands under the place, behind tabs and letters of two bytes too.
func TestCaret(t *testing.T) {
	bad := strings.Replace(small, "rport: true", "uri: sip:zoë@example.com, rport: ja", 1)
	_, err := lab.Parse("small.yaml", []byte(bad))
	const want = `small.yaml:10:44: no such value: "ja" is neither true nor false
  10 |   alice: {uri: sip:zoë@example.com, rport: ja}
     |                                            ^`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
}

// A line of settings is pointed at itself.
func TestSettingsPointAtTheirLine(t *testing.T) {
	bad := strings.Replace(small, "  nat: {model: port-restricted, external: 198.51.100.1}", "  nat:\n    model: port-restricted\n    settings: |\n      idle 30s\n      hairpinn off\n    external: 198.51.100.1", 1)
	_, err := lab.Parse("small.yaml", []byte(bad))
	var unknown *natmodels.UnknownError
	if err == nil || !strings.HasPrefix(err.Error(), "small.yaml:7:7: ") || !errors.As(err, &unknown) {
		t.Errorf("%v", err)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := lab.Parse("x.yaml", make([]byte, lab.MaxSize+1))
	if !errors.Is(err, lab.ErrTooLarge) {
		t.Error(err)
	}
	_, err = lab.Parse("x.yaml", []byte("title: "+strings.Repeat("[", 1000)))
	if !errors.Is(err, lab.ErrShape) && !errors.Is(err, lab.ErrSyntax) {
		t.Error(err)
	}
}

// Whatever a file says, it is read or refused with the place of each problem.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range examples(&testing.T{}) {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := lab.Parse("fuzz.yaml", text)
		if err == nil {
			if got == nil || got.Title == "" && !strings.Contains(string(text), "title") {
				t.Error("neither a lab nor an error")
			}
			return
		}
		var all lab.Problems
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		for _, p := range all {
			if p.Line < 0 || p.Column < 0 || p.File != "fuzz.yaml" || p.Err == nil {
				t.Errorf("%+v", p)
			}
		}
	})
}
