package natmodels

import "time"

// devices is the catalogue. Everything here is meant to be read and corrected by eye:
// a name, what it was observed on, the behavior, and for each aspect of it a source or
// the word that it is a guess. Endpoint-independent mapping of a Conntrack is a
// consequence, not a promise: see Conntrack.
var devices = []Device{
	{
		Name:     "linux-masquerade",
		Title:    "Linux router, masquerade or snat, input filtered",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second),
		Facts:    []Fact{from(Measured, "packets through nftables in network namespaces", aspects...)},
		Beyond:   "TCP windows are not watched, so that a segment out of the window is not dropped",
	},
	{
		Name:     "linux-masquerade-open",
		Title:    "the same without an input filter: unsolicited packets take ports",
		Observed: measuredLinux,
		Config: linux(30*time.Second, 120*time.Second, func(c *Config) {
			c.Unsolicited, c.PassInvalid = LocalEntry, true
		}),
		Facts: []Fact{from(Measured, "packets through nftables in network namespaces", aspects...)},
	},
	{
		Name:     "linux-masquerade-random",
		Title:    "Linux, masquerade random or fully-random, as container networks often have it",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second, randomPorts),
		Facts:    []Fact{from(Measured, "packets through nftables in network namespaces", aspects...)},
	},
	{
		Name:     "linux-snat-pool",
		Title:    "Linux, snat to several addresses: not paired",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second, func(c *Config) { c.Pooling = PerDestination }),
		Facts:    []Fact{from(Measured, "packets through nftables in network namespaces", aspects...)},
	},
	{
		Name:     "linux-sip-helper",
		Title:    "Linux with the SIP helper on UDP port 5060",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second, func(c *Config) { c.SIPHelper = true }),
		Facts:    []Fact{from(Measured, "packets through nftables in network namespaces", aspects...)},
		Beyond:   "it reads payloads: package sipalg, variant linux, rewrites them and asks NAT.Expect for what they announce",
	},
	{
		Name:     "linux-before-5.0",
		Title:    "Linux before 5.0: streams live 180 s",
		Observed: "Linux, change log of the UDP timers in 5.0",
		Config:   linux(30*time.Second, 180*time.Second),
		Facts: []Fact{
			from(High, "Linux source, net/netfilter/nf_conntrack_proto_udp.c and the commit that changed it", AboutUDP),
			from(Medium, "measured on a later Linux", AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
	},
	{
		Name:     "docker",
		Title:    "Docker bridge network: masquerade by the host",
		Observed: "Docker's iptables rules on Linux",
		Config:   linux(30*time.Second, 120*time.Second, func(c *Config) { c.Unsolicited, c.PassInvalid = LocalEntry, true }),
		Facts: []Fact{
			from(Medium, "MASQUERADE measured on Linux 6.18.44; the input filter is the host's, taken as none", aspects...),
		},
		Beyond: "the userland proxy; rootless Docker is slirp4netns or passt instead",
	},
	{
		Name:     "mikrotik",
		Title:    "MikroTik RouterOS 6, masquerade",
		Observed: "RouterOS documentation of connection tracking",
		Config: linux(10*time.Second, 180*time.Second, func(c *Config) {
			c.Tracking.Established = 24 * time.Hour
		}),
		Facts: []Fact{
			from(High, "RouterOS documentation, connection tracking timeouts", AboutUDP, AboutTCP),
			from(Medium, "RouterOS runs on Linux; measured there", AboutMapping, AboutFiltering, AboutPorts),
			guess(AboutHairpin),
		},
		Beyond: "the endpoint-independent-nat action of RouterOS 7",
	},
	{
		Name:     "openbsd-pf",
		Title:    "OpenBSD pf, nat-to",
		Observed: "pf.conf(5)",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice, c.PortRange = Random, PortRange{50001, 65535}
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 24 * time.Hour}
		}),
		Facts: []Fact{
			from(High, "pf.conf(5), default timeouts and port range", AboutUDP, AboutTCP, AboutPorts),
			from(Medium, "pf translates by state", AboutMapping, AboutFiltering),
			guess(AboutHairpin),
		},
		Beyond: "udp.single, 30 s after a second packet without an answer; static-port",
	},
	{
		Name:     "pfsense",
		Title:    "pfSense and OPNsense, outbound NAT in automatic mode",
		Observed: "pfSense documentation",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.UnrepliedTimeout, c.Refresh = time.Minute, 30*time.Second, RefreshBoth
			c.TCP = TCPConfig{Established: 24 * time.Hour}
		}),
		Facts: []Fact{
			from(High, "pfSense documentation: source ports are rewritten unless static port is set", AboutPorts),
			from(Medium, "FreeBSD pf.conf(5), default timeouts", AboutUDP, AboutTCP),
			from(Medium, "pf translates by state", AboutMapping, AboutFiltering),
			guess(AboutHairpin),
		},
	},
	{
		Name:     "freebsd-libalias",
		Title:    "FreeBSD natd and ipfw nat (libalias)",
		Observed: "libalias source",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.PortRange = Random, PortRange{0x8000, 65535}
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 24 * time.Hour, Closing: 10 * time.Second, PartiallyOpen: 90 * time.Second}
		}),
		Facts: []Fact{
			from(High, "libalias source, alias_db.c, expiry times", AboutUDP, AboutTCP),
			guess(AboutMapping, AboutFiltering, AboutPorts, AboutHairpin),
		},
		Beyond: "the same_ports and deny_incoming options",
	},
	{
		Name:     "cisco-ios",
		Title:    "Cisco IOS, ip nat inside source overload",
		Observed: "Cisco documentation",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.PortClasses = true
			c.IdleTimeout, c.WellKnownTimeout, c.Refresh = 5*time.Minute, time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 24 * time.Hour, PartiallyOpen: time.Minute, Closing: time.Minute, Reset: time.Minute}
		}),
		Facts: []Fact{
			from(High, "Cisco documentation, ip nat translation timeouts", AboutUDP, AboutTCP),
			from(Medium, "Cisco documentation, port groups of PAT", AboutPorts, AboutMapping),
			guess(AboutFiltering, AboutHairpin),
		},
		Beyond: "ports are shared between destinations when they run out; the short timer is for DNS alone",
	},
	{
		Name:     "cisco-asa",
		Title:    "Cisco ASA, dynamic PAT, multi-session",
		Observed: "Cisco documentation",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.IdleTimeout, c.WellKnownTimeout, c.Refresh = 2*time.Minute, 30*time.Second, RefreshBoth
			c.TCP = TCPConfig{Own: true, Mapping: AddressAndPortDependent, Filtering: AddressAndPortDependent, Established: time.Hour}
		}),
		Facts: []Fact{
			from(High, "Cisco documentation: pat-xlate 30 s, TCP and DNS per session", AboutMapping),
			guess(AboutUDP, AboutTCP, AboutPorts, AboutFiltering, AboutHairpin),
		},
		Beyond: "extended PAT",
	},
	{
		Name:     "juniper-srx",
		Title:    "Juniper SRX, source NAT with a pool or interface",
		Observed: "Junos documentation",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 30 * time.Minute}
		}),
		Facts: []Fact{
			from(High, "Junos documentation: without persistent-nat a session has its own binding", AboutMapping, AboutFiltering),
			guess(AboutUDP, AboutTCP, AboutPorts, AboutHairpin),
		},
	},
	persistent("juniper-srx-persistent", "any-remote-host", EndpointIndependent),
	persistent("juniper-srx-target-host", "target-host", AddressDependent),
	persistent("juniper-srx-target-host-port", "target-host-port", AddressAndPortDependent),
	{
		Name:     "windows-winnat",
		Title:    "Windows NetNat (WinNAT), Hyper-V and containers",
		Observed: "output of Get-NetNat",
		Config: translator(EndpointIndependent, AddressDependent, func(c *Config) {
			c.IdleTimeout, c.ICMPTimeout = 2*time.Minute, 30*time.Second
			c.TCP = TCPConfig{Established: 30 * time.Minute, PartiallyOpen: 2 * time.Minute, Closing: 2 * time.Minute, Reset: 2 * time.Minute}
		}),
		Facts: []Fact{
			from(High, "Get-NetNat: UdpIdleSessionTimeout, UdpInboundRefresh, UdpFilteringBehavior, TCP and ICMP timeouts", AboutUDP, AboutTCP, AboutFiltering),
			guess(AboutMapping, AboutPorts, AboutHairpin),
		},
	},
	{
		Name:     "windows-ics",
		Title:    "Windows Internet Connection Sharing",
		Observed: "Windows CE documentation of its relative",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.IdleTimeout = time.Minute
			c.TCP = TCPConfig{Established: 24 * time.Hour}
		}),
		Facts: []Fact{
			from(Low, "Windows CE documentation, application mapping timeout", AboutUDP),
			guess(AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
	},
	slirp("virtualbox", "VirtualBox, NAT mode"),
	slirp("qemu-user", "QEMU user networking and slirp4netns"),
	{
		Name:     "passt",
		Title:    "passt and pasta, as rootless Podman has it",
		Observed: "passt source",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.IdleTimeout, c.Refresh = 3*time.Minute, RefreshBoth
		}),
		Facts: []Fact{
			from(High, "passt source, UDP_CONN_TIMEOUT and port forwarding by number", AboutUDP, AboutPorts),
			guess(AboutMapping, AboutFiltering, AboutHairpin, AboutTCP),
		},
		Beyond: "it has a socket for each flow, and no NAT of its own for addresses of the host",
	},
	{
		Name:     "vmware-nat",
		Title:    "VMware Workstation, NAT mode (vmnat)",
		Observed: "nothing at hand",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
		}),
		Facts: []Fact{guess(aspects...)},
	},
	{
		Name:     "aws-nat-gateway",
		Title:    "AWS NAT gateway",
		Observed: "AWS documentation",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = 350*time.Second, RefreshBoth
			c.TCP = TCPConfig{Established: 350 * time.Second, PartiallyOpen: 350 * time.Second}
		}),
		Facts: []Fact{
			from(High, "AWS documentation: ports 1024-65535, idle timeout 350 s", AboutUDP, AboutTCP, AboutPorts),
			from(Medium, "55,000 connections for each destination: ports are shared between destinations", AboutMapping, AboutFiltering),
			guess(AboutHairpin),
		},
		Beyond: "55,000 connections to each destination; RST to an idle TCP connection",
	},
	{
		Name:     "aws-security-group",
		Title:    "AWS security group: connection tracking without translation",
		Observed: "AWS documentation",
		Config: Config{
			Kind: Firewall, Filtering: AddressAndPortDependent, Refresh: RefreshBoth,
			UnrepliedTimeout: 30 * time.Second, IdleTimeout: 180 * time.Second,
		},
		Facts: []Fact{
			from(High, "AWS documentation, connection tracking timeouts", AboutUDP, AboutTCP, AboutFiltering),
		},
	},
	{
		Name:     "azure-nat-gateway",
		Title:    "Azure NAT Gateway and outbound rules of Load Balancer",
		Observed: "Azure documentation",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = 4*time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 4 * time.Minute}
		}),
		Facts: []Fact{
			from(Medium, "Azure documentation: idle timeout 4 min, ports reused between destinations", AboutUDP, AboutTCP, AboutMapping),
			guess(AboutFiltering, AboutPorts, AboutHairpin),
		},
	},
	{
		Name:     "gcp-cloud-nat",
		Title:    "Google Cloud NAT, endpoint-independent mapping off",
		Observed: "Google Cloud documentation",
		Config:   cloudNAT(AddressAndPortDependent, Random),
		Facts: []Fact{
			from(High, "Cloud NAT documentation and API: timeouts, enableEndpointIndependentMapping", AboutUDP, AboutTCP, AboutMapping),
			guess(AboutFiltering, AboutPorts, AboutHairpin),
		},
		Beyond: "64 ports or more for each machine, not the whole range",
	},
	{
		Name:     "gcp-cloud-nat-eim",
		Title:    "Google Cloud NAT, endpoint-independent mapping on",
		Observed: "Google Cloud documentation",
		Config:   cloudNAT(EndpointIndependent, Random),
		Facts: []Fact{
			from(High, "Cloud NAT documentation and API: timeouts, enableEndpointIndependentMapping", AboutUDP, AboutTCP, AboutMapping),
			guess(AboutFiltering, AboutPorts, AboutHairpin),
		},
	},
	{
		Name:     "vpp-nat44-ei",
		Title:    "VPP nat44, endpoint-independent mode",
		Observed: "VPP source",
		Config:   vpp(EndpointIndependent, EndpointIndependent, ExternalSource),
		Facts: []Fact{
			from(High, "VPP source, plugins/nat, default timeouts and modes", aspects...),
		},
	},
	{
		Name:     "vpp-nat44-ed",
		Title:    "VPP nat44, endpoint-dependent mode",
		Observed: "VPP source",
		Config:   vpp(AddressAndPortDependent, AddressAndPortDependent, ExternalSource),
		Facts: []Fact{
			from(High, "VPP source, plugins/nat, default timeouts and modes", aspects...),
		},
	},
	{
		Name:     "einat",
		Title:    "einat, endpoint-independent NAT in eBPF",
		Observed: "einat documentation",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.Refresh, c.Hairpin = RefreshBoth, ExternalSource
		}),
		Facts: []Fact{
			from(High, "einat documentation, compliance with RFC 4787", AboutMapping, AboutFiltering, AboutHairpin, AboutUDP),
			guess(AboutPorts, AboutTCP),
		},
		Beyond: "it takes the next port where this takes a random one",
	},
	{
		Name:     "cgn-typical",
		Title:    "carrier-grade NAT or DS-Lite AFTR with a block of ports for each subscriber",
		Observed: "vendors' defaults, summarised",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.Hairpin = Random, ExternalSource
			c.Limits, c.WhenFull = Limits{PerSubscriber: 2016}, RefuseSilently
		}),
		Facts: []Fact{
			from(Medium, "DS-Lite, A10 and Cisco carrier documentation", AboutMapping, AboutFiltering, AboutUDP, AboutTCP, AboutLimits),
			guess(AboutPorts, AboutHairpin),
		},
		Beyond: "set Config.Blocks to give the blocks a place",
	},
	{
		Name:     "starlink-cgnat",
		Title:    "Starlink: the 1,201st session ends the oldest",
		Observed: "Starlink support page, quoted by PCMag",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice = Random
			c.Limits, c.WhenFull = Limits{PerSubscriber: 1200}, EvictOldest
		}),
		Facts: []Fact{
			from(Low, "Starlink support page, quoted by PCMag", AboutLimits),
			guess(aspects...),
		},
		Beyond: "the limit counts sessions, here mappings",
	},
	{
		Name:     "mobile-carrier",
		Title:    "a mobile carrier's NAT, of the symmetric sort",
		Observed: "a survey of carriers, which vary widely",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
		}),
		Facts: []Fact{
			from(Low, "Richter et al., IMC 2016 (arXiv 1605.05606)", AboutMapping, AboutUDP),
			guess(AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
	},
	{
		Name:     "realtek-cpe",
		Title:    "cheap home gateway on the Realtek SDK",
		Observed: "a constant in the SDK",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.IdleTimeout, c.Refresh = 15*time.Second, RefreshBoth
		}),
		Facts: []Fact{
			from(Low, "Realtek SDK source, UDP timeout", AboutUDP),
			guess(AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
	},
	{
		Name:     "ipv6-home",
		Title:    "IPv6 home gateway: a firewall, no translation",
		Observed: "Linux connection tracking",
		Config:   Config{Kind: Firewall, Filtering: AddressAndPortDependent, Refresh: RefreshBoth},
		Facts: []Fact{
			from(Medium, "measured on IPv4; IPv6 connection tracking has the same timers", AboutFiltering, AboutUDP, AboutTCP),
		},
	},
	{
		Name:     "rfc4787-recommended",
		Title:    "every MUST and every recommendation of RFC 4787, 5382 and 5508, for transparency",
		Observed: "the RFCs",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.Hairpin, c.Parity, c.PortClasses = ExternalSource, true, true
			c.TCP.SYN = HoldSYN
		}),
		Facts: []Fact{from(High, "RFC 4787, RFC 5382, RFC 5508", aspects...)},
	},
	{
		Name:     "rfc6888-cgn",
		Title:    "a carrier-grade NAT as RFC 6888 wants it",
		Observed: "RFC 6888",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.Hairpin, c.ReuseDelay = Random, ExternalSource, DefaultReuseDelay
			c.Limits, c.WhenFull = Limits{PerSubscriber: 2016}, RefuseICMP
			c.TCP.SYN = HoldSYN
		}),
		Facts: []Fact{
			from(High, "RFC 6888 and the RFCs it refers to", aspects...),
			guess(AboutLimits), // that there is one; the number is ours
		},
	},
}

const measuredLinux = "Linux 6.18.44, nftables"

func from(c Confidence, source string, about ...string) Fact {
	return Fact{About: about, Source: source, Confidence: c}
}

func guess(about ...string) Fact { return Fact{About: about} }

// linux is what connection tracking of Linux does.
func linux(unreplied, stream time.Duration, changes ...func(*Config)) Config {
	c := Config{
		Kind: Conntrack, Filtering: AddressAndPortDependent, Refresh: RefreshBoth,
		UnrepliedTimeout: unreplied, IdleTimeout: stream,
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func randomPorts(c *Config) { c.Mapping, c.PortChoice = AddressAndPortDependent, Random }

// translator is a device with mappings that preserves ports where it can and follows
// the RFCs in its timers, but does not hairpin.
func translator(mapping, filtering Behavior, change func(*Config)) Config {
	c := Config{Mapping: mapping, Filtering: filtering, IdleTimeout: DefaultIdleTimeout}
	change(&c)
	return c
}

func persistent(name, option string, filtering Behavior) Device {
	return Device{
		Name:     name,
		Title:    "Juniper SRX, persistent-nat permit " + option,
		Observed: "Junos documentation",
		Config: translator(EndpointIndependent, filtering, func(c *Config) {
			c.PortChoice, c.Refresh = Random, RefreshBoth
			c.TCP = TCPConfig{Established: 30 * time.Minute}
		}),
		Facts: []Fact{
			from(High, "Junos documentation, persistent-nat: permit and inactivity-timeout (300 s)", AboutMapping, AboutFiltering, AboutUDP),
			guess(AboutPorts, AboutHairpin, AboutTCP),
		},
		Beyond: "30 sessions to a binding",
	}
}

func slirp(name, title string) Device {
	return Device{
		Name:     name,
		Title:    title,
		Observed: "libslirp source",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.PortRange = Random, PortRange{32768, 60999}
			c.IdleTimeout, c.WellKnownTimeout, c.Refresh = 240*time.Second, 10*time.Second, RefreshBoth
		}),
		Facts: []Fact{
			from(High, "libslirp source, SO_EXPIRE and SO_EXPIREFAST", AboutUDP),
			guess(AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
		Beyond: "the short timer is for DNS alone; TCP is spliced, not translated",
	}
}

func cloudNAT(mapping Behavior, ports PortChoice) Config {
	return translator(mapping, AddressAndPortDependent, func(c *Config) {
		c.PortChoice = ports
		c.IdleTimeout, c.ICMPTimeout, c.Refresh = 30*time.Second, 30*time.Second, RefreshBoth
		c.TCP = TCPConfig{Established: 20 * time.Minute, PartiallyOpen: 30 * time.Second, Closing: 30 * time.Second, Reset: 30 * time.Second}
	})
}

func vpp(mapping, filtering Behavior, hairpin HairpinMode) Config {
	return translator(mapping, filtering, func(c *Config) {
		c.PortChoice, c.Refresh, c.Hairpin = Random, RefreshBoth, hairpin
	})
}
