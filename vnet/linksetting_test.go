package vnet

import (
	"os"
	"strings"
	"testing"
	"time"
)

var settingTexts = []string{
	"perfect",
	"latency=20ms",
	"latency=20ms jitter=5ms distribution=paretonormal unordered=true loss=0.01",
	"burst-p=0.01 burst-r=0.25 burst-loss-good=0.001 burst-loss-bad=0.9 duplicate=0.02 reorder=0.1 reorder-by=30ms reorder-distance=3 bit-errors=1e-06",
	"rate=125k queue=64k",
	"bit-rate=10M discipline=fq-codel queue-packets=500 codel-target=15ms codel-interval=150ms codel-quantum=300 codel-flows=64 mtu=1500",
}

func TestLinkConfigsInText(t *testing.T) {
	for _, text := range settingTexts {
		c, err := ParseLinkConfig(text)
		if err != nil || c.String() != text {
			t.Errorf("%s: %v, %v", text, c, err)
		}
	}
	c, err := ParseLinkConfig("  loss=2.5%\tbit-rate=1G queue=128k unordered=false ")
	if want := (LinkConfig{Loss: 0.025, BitRate: 1e9, Queue: 128_000}); err != nil || c != want {
		t.Errorf("%v %v", c, err)
	}
}

func TestLinkConfigTextsThatAreWrong(t *testing.T) {
	for text, says := range map[string]string{
		"":                             "no settings",
		"latency":                      `"latency": want name=value`,
		"latency=20":                   "latency=20: want a duration with its unit",
		"latancy=20ms":                 `no setting "latancy"; there are latency, jitter`,
		"latency=1ms latency=2ms":      "latency is set twice",
		"loss=much":                    "want a probability, such as 0.01 or 1%",
		"loss=120%":                    "loss 1.2: want a probability from 0 to 1",
		"loss=NaN":                     "want a probability from 0 to 1",
		"rate=fast":                    "want a whole number",
		"bit-rate=99999999999999999G":  "want a whole number",
		"bit-rate=9999999999999999999": "want a whole number",
		"discipline=red":               "want drop-tail, fq-codel",
		"distribution=weibull":         "want uniform, normal, pareto, paretonormal",
		"unordered=maybe":              "want true or false",
		"perfect loss=1%":              `"perfect": want name=value`,
		"queue=1000":                   "a queue needs a rate",
	} {
		if c, err := ParseLinkConfig(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v, want %q", text, c, err, says)
		}
	}
}

// Every value that cannot be honoured is refused, with what is wrong and what is wanted.
func TestLinkConfigsAreChecked(t *testing.T) {
	ms := time.Millisecond
	rate := func(c LinkConfig) LinkConfig { c.BitRate = 1e6; return c }
	fq := func(c CoDel) LinkConfig { return LinkConfig{BitRate: 1e6, Discipline: FQCoDel, CoDel: c} }
	bursts := func(p, r, good, bad float64) LinkConfig {
		return LinkConfig{Bursts: GilbertElliott{P: p, R: r, LossGood: good, LossBad: bad}}
	}
	for _, c := range []struct {
		cfg  LinkConfig
		says string
	}{
		{LinkConfig{Latency: -ms}, "latency -1ms: want a delay that is not negative"},
		{LinkConfig{Latency: 25 * time.Hour}, "latency 25h0m0s: want at most 24h"},
		{LinkConfig{Jitter: -ms}, "jitter -1ms"},
		{LinkConfig{Distribution: Normal}, "distribution normal: needs a jitter"},
		{LinkConfig{Unordered: true}, "unordered: without jitter nothing overtakes"},
		{LinkConfig{Loss: 1.5}, "loss 1.5: want a probability from 0 to 1"},
		{LinkConfig{Duplicate: -0.1}, "duplicate -0.1"},
		{LinkConfig{BitErrors: 2}, "bit-errors 2"},
		{LinkConfig{Loss: 0.1, Bursts: GilbertElliott{P: 0.1, R: 0.1, LossBad: 1}}, "loss and bursts exclude each other"},
		{bursts(0, 0.1, 0, 1), "burst-p 0: the bad state is never entered"},
		{bursts(0.1, 0, 0, 1), "burst-r 0: the bad state is never left"},
		{bursts(0.1, 0.1, 0, 0), "without burst-loss-bad: nothing would be lost"},
		{bursts(2, 0.1, 0, 1), "burst-p 2"},
		{bursts(0.1, 0.1, -1, 1), "burst-loss-good -1"},
		{LinkConfig{Reorder: 0.1}, "reorder and reorder-by go together"},
		{LinkConfig{ReorderBy: ms}, "reorder and reorder-by go together"},
		{LinkConfig{ReorderDistance: 2}, "reorder-distance needs reorder"},
		{LinkConfig{Reorder: 0.1, ReorderBy: ms, ReorderDistance: -1}, "reorder-distance -1: want 0 to"},
		{LinkConfig{Rate: -1}, "rate -1: want bytes per second"},
		{LinkConfig{BitRate: -1}, "bit-rate -1: want bits per second"},
		{LinkConfig{Rate: 1, BitRate: 8}, "rate 1 and bit-rate 8 exclude each other"},
		{LinkConfig{Queue: 1000}, "a queue needs a rate"},
		{LinkConfig{QueuePackets: 10}, "a queue needs a rate"},
		{LinkConfig{Discipline: FQCoDel}, "a queue needs a rate"},
		{rate(LinkConfig{Queue: 10}), "queue 10: want at least the 28 bytes of a packet"},
		{rate(LinkConfig{QueuePackets: -1}), "queue-packets -1"},
		{rate(LinkConfig{Queue: 1000, QueuePackets: 10}), "queue and queue-packets exclude each other"},
		{rate(LinkConfig{CoDel: CoDel{Target: ms}}), "codel parameters need the discipline fq-codel"},
		{rate(LinkConfig{Discipline: 7}), "discipline 7: want drop-tail or fq-codel"},
		{rate(LinkConfig{Discipline: FQCoDel, Queue: 1000}), "fq-codel is limited in packets"},
		{fq(CoDel{Target: 200 * ms}), "codel-target 200ms: want less than the interval of 100ms"},
		{fq(CoDel{Interval: -ms}), "codel-interval -1ms"},
		{fq(CoDel{Quantum: -1}), "codel-quantum -1"},
		{fq(CoDel{Flows: 1 << 20}), "codel-flows 1048576: want 1 to 65536"},
		{LinkConfig{MTU: 20}, "mtu 20: IPv4 needs at least 68 (RFC 791)"},
	} {
		if err := c.cfg.check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.says)
		}
	}
}

func FuzzParseLinkConfig(f *testing.F) {
	for _, text := range settingTexts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseLinkConfig(text)
		if err != nil {
			return
		}
		again, err := ParseLinkConfig(c.String())
		if err != nil || again != c {
			t.Errorf("%q was read as %v, and that as %v: %v", text, c, again, err)
		}
	})
}

func TestLinkPresets(t *testing.T) {
	roundTrip := map[string]time.Duration{
		"dsl": 50 * time.Millisecond, "cable": 28 * time.Millisecond, "lte": 70 * time.Millisecond,
		"3g": 300 * time.Millisecond, "wifi-bad": 6 * time.Millisecond, "satellite": 600 * time.Millisecond,
	}
	if _, err := linkPresets(); err != nil {
		t.Fatal(err)
	}
	names := LinkPresetNames()
	if len(names) != len(roundTrip) {
		t.Fatal(names)
	}
	for _, name := range names {
		up, down, err := LinkPreset(name)
		if err != nil || up.Latency+down.Latency != roundTrip[name] || up.BitRate == 0 || down.BitRate == 0 {
			t.Errorf("%s: %v, %v, %v", name, up, down, err)
		}
		if about, source := LinkPresetAbout(name); about == "" || source == "" {
			t.Errorf("%s: %q, %q", name, about, source)
		}
	}
	if _, _, err := LinkPreset("adsl"); err == nil || !strings.Contains(err.Error(), `"adsl": there is none; there are dsl, cable, lte, 3g, wifi-bad, satellite`) {
		t.Error(err)
	}
}

func TestPresetTextsThatAreWrong(t *testing.T) {
	whole := "preset x\nabout a\nsource s\nup latency=1ms\ndown perfect\n"
	if all, err := readLinkPresets(whole); err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for text, says := range map[string]string{
		"up perfect":              "line 1: up before a preset",
		"preset x\nabout a":       `preset "x" has no line "source"`,
		whole + whole:             `line 6: preset "x" is there twice`,
		whole + "up perfect":      "line 6: up before a preset, or twice in it",
		"preset x\nup delay=20ms": `line 2: vnet: link: no setting "delay"`,
		"preset x\nspeed 1":       `line 2: no key "speed"`,
	} {
		if _, err := readLinkPresets(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestThePresetsAreInTheDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/network.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Presets")
	for _, name := range LinkPresetNames() {
		if !strings.Contains(table, "| `"+name+"` |") {
			t.Errorf("docs/network.md has no preset %s", name)
		}
	}
}
