package serve_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/natproof/natproof/servers/serve"
)

func TestReadFile(t *testing.T) {
	values, err := serve.ReadFile("x.yaml", []byte("# a comment\nlisten: 127.0.0.1:5070\nevents: true\nagents: [presence, message-summary]\ngateway-prefix:\n  - '+'\n  - 0\ngateway-calls: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := serve.Build(values)
	if err != nil || cfg.Listen.String() != "127.0.0.1:5070" || !cfg.Events || !cfg.Registrar.Agents.Presence || !cfg.Registrar.Agents.Messages ||
		!slices.Equal(cfg.GatewayPrefixes, []string{"+", "0"}) || cfg.Gateway.MaxCalls != 7 || cfg.Limit.Rate != 100 || !cfg.SIPProbe {
		t.Errorf("%v %+v", err, cfg)
	}
	for _, empty := range []string{"", "---\n", "# nothing\n"} {
		if values, err := serve.ReadFile("x.yaml", []byte(empty)); err != nil || len(values) != 0 {
			t.Errorf("%q: %v %v", empty, values, err)
		}
	}
}

// What is wrong is told with its place.
func TestFileErrors(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"listen: 127.0.0.1:0\nlissen: x\n", "x.yaml:2:1: unknown setting \"lissen\""},
		{"listen: 5060\n", "x.yaml:1:9: listen: want ADDRESS:PORT\n   1 | listen: 5060\n               ^"},
		{"events:\n", "x.yaml:1:1: events has no value"},
		{"events: ~\n", "x.yaml:1:1: events has no value"},
		{"events: perhaps\n", "x.yaml:1:9: events: \"perhaps\" is neither true nor false"},
		{"listen: ''\n", "x.yaml:1:9: listen is empty"},
		{"listen: [a]\n", "x.yaml:1:9: listen: want one value"},
		{"listen:\n  a: b\n", "listen: want one value"},
		{"agents: []\n", "x.yaml:1:9: agents is empty"},
		{"agents: [presence, [a]]\n", "x.yaml:1:20: agents: want a list of words"},
		{"agents: [presense]\n", "x.yaml:1:9: agents: unknown event package \"presense\""},
		{"- listen\n", "x.yaml:1:1: not a configuration: want lines of 'name: value'"},
		{"listen\n", "x.yaml:1:1: not a configuration: want lines of 'name: value'"},
		{"listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", "x.yaml:2:1: "},
		{"listen: 127.0.0.1:1\n---\nlisten: 127.0.0.1:2\n", "x.yaml:3:1: not a configuration: a second document"},
		{"listen: &a b\nstun: *a\n", "x.yaml:1:9: listen: want one value"},
		{"listen: 'a\n", "x.yaml:1:9: "},
		{"stun-alternate: 127.0.0.2:3479\n", "x.yaml:1:17: stun-alternate: needs stun"},
		{"stun: 127.0.0.1:3478\nstun-alternate: 127.0.0.1:3479\n", "x.yaml:2:17: stun-alternate: want another address"},
		{"stun: 127.0.0.1:3478\nstun-alternate: '[::1]:3479'\n", "x.yaml:2:17: stun-alternate: of another family"},
		{"stun: 0.0.0.0:3478\n", "x.yaml:1:7: stun: want one address of this host"},
		{"gateway: 0.0.0.0:5080\n", "x.yaml:1:10: gateway: want one address"},
		{"gateway-media: 127.0.0.1\n", "gateway-media: needs gateway"},
		{"gateway-ports: 9-8\n", "gateway-ports: want FIRST-LAST"},
		{"gateway-ring: -1s\n", "gateway-ring: want a duration"},
		{"gateway-calls: 0\n", "gateway-calls: want a number from 1"},
		{"gateway-latch: maybe\n", "gateway-latch: unknown latch policy"},
		{"policy: another-source\n", "policy: unknown policy"},
		{"rate-limit: .inf\n", "rate-limit: want a number"},
		{"auth-invite: true\n", "auth-invite: needs users"},
		{"log-level: loud\n", "log-level: unknown level"},
		{"log-format: xml\n", "log-format: unknown format"},
		{"sip-probe: false\nsip-probe-alternate: 127.0.0.1:1\n", "sip-probe-alternate: needs sip-probe"},
		{"listen: 0.0.0.0:5060\n", "listen: 0.0.0.0:5060 is every address: say with --advertise"},
		{"events: true\nlisten: \xff\n", "x.yaml:2:9: not a configuration: not UTF-8"},
		{strings.Repeat("[", 100), "nested too deep"},
		{strings.Repeat("#", 2<<20), "larger than"},
	} {
		values, err := serve.ReadFile("x.yaml", []byte(x.text))
		if err == nil {
			_, err = serve.Build(values)
		}
		var at *serve.FileError
		if !errors.As(err, &at) || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%.60q: %v\nwant %s", x.text, err, x.want)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	_, err := serve.Build(serve.Values{"listen": {Words: []string{"5060"}}})
	var setting *serve.SettingError
	if !errors.As(err, &setting) || setting.Name != "listen" || err.Error() != `--listen "5060": want ADDRESS:PORT` {
		t.Error(err)
	}
	if _, err := serve.Build(nil); err != nil {
		t.Error(err)
	}
}

func FuzzReadFile(f *testing.F) {
	for _, s := range []string{
		"listen: 127.0.0.1:5070\nevents: true\nagents: [presence]\n", "a: &b c\nd: *b\n", "? a\n: b\n", "listen: |\n  a\n", "- - - a", "{listen: x}", "\xff: \t",
		"gateway-prefix:\n  - '+'\n", "%YAML 1.2\n---\nlisten: !!str a\n", "<<: {a: b}\n", "a:\r\n\tb",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := serve.ReadFile("x.yaml", b)
		if err == nil {
			_, err = serve.Build(values)
		}
		if err == nil {
			return
		}
		var at *serve.FileError
		if !errors.As(err, &at) {
			t.Fatalf("%q: no place: %v", b, err)
		}
		if lines := strings.Count(string(b), "\n") + 1; at.Line < 1 || at.Line > lines || at.Column < 1 || at.Column > len([]rune(at.Text))+1 {
			t.Errorf("%q: %d:%d of %d lines, %q", b, at.Line, at.Column, lines, at.Text)
		}
	})
}
