package natmodels_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/rfc-coverage.md")

// requirement is a row of docs/rfc-coverage.md: the tests that pin it, separated by
// blanks, or why it is not modelled. script:NAME is testdata/scripts/NAME.
type requirement struct {
	id, level, text string
	tests           string
	not             string
	deviation       string // what a setting allows against it
}

var coverage = []struct {
	title string
	rows  []requirement
}{
	{"RFC 4787 (UDP)", []requirement{
		{id: "REQ-1", level: "MUST", text: "endpoint-independent mapping", tests: "TestREQ1_EndpointIndependentMapping", deviation: "mapping; conntrack"},
		{id: "REQ-2", level: "RECOMMENDED", text: "paired pooling", tests: "TestREQ2_PairedPooling script:pooling", deviation: "pooling"},
		{id: "REQ-3", level: "MUST NOT", text: "port overloading", tests: "TestREQ3_NoPortOverloading", deviation: "conntrack"},
		{id: "REQ-3a", level: "RECOMMENDED", text: "ports 0-1023 and 1024-65535 stay apart", tests: "TestREQ3a_PortClasses script:policies", deviation: "without port-classes"},
		{id: "REQ-4", level: "RECOMMENDED", text: "port parity", tests: "TestREQ4_PortParity script:policies", deviation: "without parity"},
		{id: "REQ-5", level: "MUST NOT", text: "timer below 2 min; b) configurable, c) default of 5 min", tests: "TestREQ5_MappingTimer script:timers", deviation: "idle, unreplied"},
		{id: "REQ-5a", level: "MAY", text: "shorter for well-known destination ports", tests: "script:policies"},
		{id: "REQ-6", level: "MUST", text: "outbound refresh; a) MAY inbound refresh", tests: "TestREQ6_RefreshDirection", deviation: "refresh inbound"},
		{id: "REQ-7", level: "MUST", text: "cope with an external address that overlaps the inside", tests: "TestREQ7_OverlappingAddresses"},
		{id: "REQ-8", level: "RECOMMENDED", text: "endpoint-independent or address-dependent filtering; a) MAY be configurable", tests: "TestREQ8_Filtering script:filtering script:scope", deviation: "filtering"},
		{id: "REQ-9", level: "MUST", text: "hairpinning; a) with external source", tests: "TestREQ9_Hairpinning TestREQ9_HairpinningIsFiltered script:hairpin", deviation: "hairpin"},
		{id: "REQ-10", level: "SHOULD", text: "ALGs off; a) each for itself", tests: "sipalg/TestActsOnPort5060Alone sipalg/TestLinux", deviation: "the NAT sees no payload; package sipalg is an ALG to put beside it"},
		{id: "REQ-11", level: "MUST", text: "deterministic behavior", tests: "TestREQ11_SameBehaviorUnderConflict TestREQ11_SameSeedSameAnswers TestREQ11_Deviations", deviation: "under-load, SetBehavior, conntrack"},
		{id: "REQ-12", level: "MUST NOT", text: "end a mapping because of ICMP; a) filter ICMP by source; b) Destination Unreachable", tests: "TestREQ12_ICMP script:icmp"},
		{id: "REQ-13", level: "MUST", text: "ICMP fragmentation needed, or fragment", tests: "vnet/TestPathMTU vnet/TestPathMTUOfIPv6"},
		{id: "REQ-14", level: "MUST", text: "fragments in and out of order", tests: "vnet/TestFragments vnet/TestFragmentPolicies", deviation: "vnet.GatewayConfig.Fragments"},
	}},
	{"RFC 5382 (TCP), with RFC 7857", []requirement{
		{id: "REQ-1", level: "MUST", text: "endpoint-independent mapping", tests: "TestTCP1_EndpointIndependentMapping", deviation: "mapping; conntrack"},
		{id: "REQ-2", level: "MUST", text: "all valid sequences, simultaneous open", tests: "TestTCP2_AllValidSequences script:tcp"},
		{id: "REQ-3", level: "RECOMMENDED", text: "filtering as for UDP; a) configurable; b) independent of UDP", tests: "TestTCP3_Filtering"},
		{id: "REQ-4", level: "MUST NOT", text: "answer an unsolicited SYN within 6 s; then ICMP 3/3; a) or silence", tests: "TestTCP4_UnsolicitedSYN script:tcp", deviation: "tcp-syn reset; conntrack"},
		{id: "REQ-5", level: "MUST NOT", text: "established below 2 h 4 min, transitory below 4 min", tests: "TestTCP5_Timers TestTCPSessionsEndOneByOne script:tcp", deviation: "tcp-established and its neighbours; conntrack"},
		{id: "REQ-6", level: "", text: "ALGs off by default, except FTP", not: "there is no ALG for TCP"},
		{id: "REQ-7", level: "MUST NOT", text: "port overloading", tests: "TestTCP7_NoPortOverloading", deviation: "conntrack"},
		{id: "REQ-8", level: "MUST", text: "hairpinning", tests: "TestTCP8_Hairpinning", deviation: "hairpin"},
		{id: "REQ-9", level: "SHOULD", text: "translate ICMP type 3", tests: "TestTCP9_TCP10_ICMP"},
		{id: "REQ-10", level: "MUST NOT", text: "end a mapping or connection because of ICMP", tests: "TestTCP9_TCP10_ICMP script:icmp"},
	}},
	{"RFC 5508 (ICMP)", []requirement{
		{id: "REQ-1", level: "MUST", text: "queries from the inside; a) mapping independent of the external host", tests: "TestICMP1_Queries script:icmp"},
		{id: "REQ-2", level: "MUST NOT", text: "query timer below 60 s; a) configurable", tests: "TestICMP2_QueryTimer", deviation: "icmp; conntrack"},
		{id: "REQ-3", level: "", text: "errors with bad checksums, IP options, extensions", not: "the packets of an engine have none; make test-kernel holds the gateways of vnet to Linux there"},
		{id: "REQ-4", level: "MUST", text: "errors from the outside", tests: "TestICMP4_ErrorsFromOutside script:icmp"},
		{id: "REQ-5", level: "MUST", text: "errors from the inside; c) from the NAT's own address", tests: "TestICMP5_ErrorsFromInside script:icmp"},
		{id: "REQ-6", level: "MUST NOT", text: "refresh or delete a session because of an error", tests: "TestICMP6_ErrorsLeaveTheSession"},
		{id: "REQ-7", level: "MUST", text: "hairpinned queries of Basic NAT, hairpinned errors", tests: "TestICMP7_Hairpinning script:icmp script:firewall"},
		{id: "REQ-8", level: "SHOULD", text: "ICMP 3/13 when resources end", tests: "TestICMP8_NoResources script:policies", deviation: "when-full"},
		{id: "REQ-9", level: "MAY", text: "policy may suppress ICMP", not: "no setting suppresses it; drop the packet before it gets here"},
		{id: "REQ-10", level: "MUST", text: "Destination Unreachable, Time Exceeded, Echo", tests: "TestICMP10_Messages"},
		{id: "REQ-11", level: "MAY", text: "drop other messages", tests: "TestICMP10_Messages"},
	}},
	{"RFC 6146 (NAT64), by section, with RFC 6052 and RFC 7915", []requirement{
		{id: "3.5", level: "MUST", text: "only destinations behind the prefix; never sources behind it", tests: "script:nat64"},
		{id: "3.5", level: "MUST", text: "endpoint-independent mapping; endpoint-independent or address-dependent filtering", tests: "script:nat64 TestNAT64IsIsomorphic"},
		{id: "3.5.1", level: "MUST NOT", text: "UDP below 2 min", tests: "script:nat64"},
		{id: "3.5.2", level: "MUST", text: "the states of TCP", tests: "script:nat64 TestNAT64IsIsomorphic TestTCP2_AllValidSequences"},
		{id: "3.5.3", level: "MUST", text: "ICMP queries", tests: "script:nat64 TestNAT64IsIsomorphic"},
		{id: "3.8", level: "SHOULD", text: "hairpinning", tests: "script:nat64 TestNAT64IsIsomorphic", deviation: "hairpin"},
		{id: "3.4", level: "MUST", text: "fragments in and out of order", tests: "vnet/TestNAT64Fragments", deviation: "vnet.GatewayConfig.Fragments"},
		{id: "RFC 6052 2", level: "MUST", text: "prefix lengths, the u octet", tests: "TestEmbedding script:nat64"},
		{id: "RFC 6052 3.1", level: "MUST NOT", text: "non-global addresses behind the Well-Known Prefix", not: "documentation addresses are such"},
		{id: "RFC 7915 4.2, 5.2", level: "MUST", text: "types and codes of ICMP errors, with what they quote", tests: "script:nat64 TestICMPTables"},
	}},
	{"RFC 6888 (carrier-grade NAT), what an engine can have of it", []requirement{
		{id: "REQ-2", level: "MUST", text: "paired pooling by default", tests: "TestREQ2_PairedPooling"},
		{id: "REQ-4", level: "MUST", text: "limit ports of a subscriber", tests: "script:policies TestCatalogue"},
		{id: "REQ-7", level: "RECOMMENDED", text: "endpoint-independent filtering", tests: "TestREQ8_Filtering"},
		{id: "REQ-8", level: "SHOULD NOT", text: "reuse a freed port within 120 s", tests: "script:policies", deviation: "without reuse-delay"},
		{id: "REQ-11", level: "MUST NOT", text: "end mappings for new ones; drop, SHOULD ICMP 3/1", tests: "script:policies TestICMP8_NoResources", deviation: "when-full evict-oldest"},
		{id: "REQ-14", level: "SHOULD", text: "little to log: deterministic blocks", tests: "TestBlocks script:policies", deviation: "without blocks"},
	}},
}

// TestCoverage keeps docs/rfc-coverage.md what the table above says, and the table to
// tests that exist. go test -run TestCoverage -update writes the document.
func TestCoverage(t *testing.T) {
	known := testNames(t)
	var out strings.Builder
	out.WriteString("<!-- Written by go test ./natmodels -run TestCoverage -update. Do not edit. -->\n# Requirements and the tests that pin them\n\n")
	out.WriteString("Tests are of packages natmodels/... and vnet, scripts of natmodels/testdata/scripts. A setting under \"deviates\" lets a NAT break the\nrequirement on purpose, as real ones do.\n")
	for _, doc := range coverage {
		fmt.Fprintf(&out, "\n## %s\n\n| requirement | level | what | pinned by | deviates |\n|---|---|---|---|---|\n", doc.title)
		for _, r := range doc.rows {
			if (r.tests == "") == (r.not == "") {
				t.Errorf("%s %s: either tests or a reason", doc.title, r.id)
			}
			pinned := "not modelled: " + r.not
			if r.tests != "" {
				pinned = strings.Join(strings.Fields(r.tests), ", ")
			}
			for _, name := range strings.Fields(r.tests) {
				if !known[name] {
					t.Errorf("%s %s: no test %s", doc.title, r.id, name)
				}
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", r.id, r.level, r.text, pinned, r.deviation)
		}
	}
	path := filepath.Join("..", "docs", "rfc-coverage.md")
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != out.String() {
		t.Errorf("%s is stale (%v): go test ./natmodels -run TestCoverage -update", path, err)
	}
}

// testNames finds the tests of all engines, of sipalg and of vnet, and the scripts.
func testNames(t *testing.T) map[string]bool {
	names := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for pattern, prefix := range map[string]string{"*_test.go": "", "*/*_test.go": "", "sipalg/*_test.go": "sipalg/", "../vnet/*_test.go": "vnet/"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range function.FindAllStringSubmatch(string(text), -1) {
				names[prefix+m[1]] = true
			}
		}
	}
	scripts, _ := filepath.Glob("testdata/scripts/*")
	for _, s := range scripts {
		names["script:"+filepath.Base(s)] = true
	}
	return names
}
