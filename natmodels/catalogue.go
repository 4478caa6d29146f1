package natmodels

import "time"

// devices is the catalogue. Everything here is meant to be read and corrected by eye:
// a name, what it was observed on, the behavior, and for each aspect of it a source or
// the word that it is a guess. A source that says "not read again" is known by its title
// alone; one "as quoted" was read where somebody else gives its words.
// Endpoint-independent mapping of a Conntrack is a consequence, not a promise: see
// Conntrack.
var devices = []Device{
	{
		Name:     "linux-masquerade",
		Title:    "Linux router, masquerade or snat, input filtered",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second),
		Facts:    linuxFacts,
		Beyond:   "TCP windows are not watched, so that a segment out of the window is not dropped",
	},
	{
		Name:     "linux-masquerade-open",
		Title:    "the same without an input filter: unsolicited packets take ports",
		Observed: measuredLinux,
		Config: linux(30*time.Second, 120*time.Second, func(c *Config) {
			c.Unsolicited, c.PassInvalid = LocalEntry, true
		}),
		Facts: linuxFacts,
	},
	{
		Name:     "linux-masquerade-random",
		Title:    "Linux, masquerade random or fully-random, as container networks often have it",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second, randomPorts),
		Facts:    linuxFacts,
	},
	{
		Name:     "linux-snat-pool",
		Title:    "Linux, snat to several addresses: not paired",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second, func(c *Config) { c.Pooling = PerDestination }),
		Facts:    linuxFacts,
	},
	{
		Name:     "linux-sip-helper",
		Title:    "Linux with the SIP helper on UDP port 5060",
		Observed: measuredLinux,
		Config:   linux(30*time.Second, 120*time.Second, func(c *Config) { c.SIPHelper = true }),
		Facts:    linuxFacts,
		Beyond:   "SIP over TCP and IPv6; payloads, which package sipalg rewrites as the helper does",
	},
	{
		Name:     "linux-before-5.0",
		Title:    "Linux before 5.0: streams live 180 s, and begin with the packet after the answer",
		Observed: "Linux source, before and after the change of the UDP timers in 5.0",
		Config: linux(30*time.Second, 180*time.Second, func(c *Config) {
			c.StreamAfter = time.Nanosecond
		}),
		Facts: []Fact{
			from(High, "Linux source before 5.0, net/netfilter/nf_conntrack_proto_udp.c, udp_timeouts", "https://github.com/torvalds/linux/blob/v4.20/net/netfilter/nf_conntrack_proto_udp.c", AboutUDP),
			from(Medium, "measured on a later Linux", "", AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
	},
	{
		Name:     "docker",
		Title:    "Docker bridge network: masquerade by the host",
		Observed: "Docker's iptables rules on Linux",
		Config:   linux(30*time.Second, 120*time.Second, func(c *Config) { c.Unsolicited, c.PassInvalid = LocalEntry, true }),
		Facts: []Fact{
			from(Medium, "Docker documentation, Docker with iptables: the rule is MASQUERADE, measured on Linux 6.18.44; the input filter is the host's, taken as none",
				"https://docs.docker.com/engine/network/firewall-iptables/", aspects...),
		},
		Beyond: "the userland proxy; rootless Docker is slirp4netns or passt instead",
	},
	mikrotik("mikrotik", "MikroTik RouterOS 6, masquerade", 10*time.Second, time.Nanosecond,
		from(High, "RouterOS 6 manual, IP/Firewall/Connection tracking, Connection tracking settings",
			"https://wiki.mikrotik.com/wiki/Manual:IP/Firewall/Connection_tracking", AboutUDP, AboutTCP)),
	mikrotik("mikrotik-7", "MikroTik RouterOS 7, masquerade", 30*time.Second, 0,
		from(Medium, "RouterOS 7 documentation, Connection tracking, Properties, read in translation",
			"https://help.mikrotik.com/docs/display/ROS/Connection+tracking", AboutUDP, AboutTCP)),
	{
		Name:     "openbsd-pf",
		Title:    "OpenBSD pf, nat-to",
		Observed: "OpenBSD source",
		Config: pf(func(c *Config) {
			c.PortRange = PortRange{50001, 65535}
		}),
		Facts: []Fact{
			from(High, "OpenBSD source, sys/net/pf_ioctl.c, pfattach: udp.single, udp.multiple, tcp.*, icmp.first", "https://github.com/openbsd/src/blob/master/sys/net/pf_ioctl.c", AboutUDP, AboutTCP),
			from(High, "OpenBSD source, sbin/pfctl/pfctl_parser.h, PF_NAT_PROXY_PORT_LOW and PF_NAT_PROXY_PORT_HIGH", "https://github.com/openbsd/src/blob/master/sbin/pfctl/pfctl_parser.h", AboutPorts),
			from(High, "OpenBSD source, sys/net/pf_lb.c, pf_get_sport: each state gets a random port that is free towards its destination", "https://github.com/openbsd/src/blob/master/sys/net/pf_lb.c", AboutMapping, AboutFiltering),
			from(Medium, "PF User's Guide, Redirection and Reflection, not read again", "https://www.openbsd.org/faq/pf/rdr.html", AboutHairpin),
		},
		Beyond: pfBeyond,
	},
	{
		Name:     "pfsense",
		Title:    "pfSense and OPNsense, outbound NAT in automatic mode",
		Observed: "pfSense documentation and FreeBSD source",
		Config:   pf(func(*Config) {}),
		Facts: []Fact{
			from(High, "pfSense documentation, Outbound NAT, Static Port: source ports are rewritten; the range from a listing of its rules", "https://docs.netgate.com/pfsense/en/latest/nat/outbound.html", AboutPorts),
			from(High, "FreeBSD source, sys/net/pfvar.h, PFTM_UDP_SINGLE_VAL and its neighbors", "https://github.com/freebsd/freebsd-src/blob/main/sys/net/pfvar.h", AboutUDP),
			from(High, "pfSense documentation, Firewall & NAT, Firewall Optimization Details, Normal", "https://docs.netgate.com/pfsense/en/latest/config/advanced-firewall-nat.html", AboutTCP),
			from(High, "FreeBSD source, sys/netpfil/pf/pf_lb.c, pf_get_sport: each state gets a random port that is free towards its destination", "https://github.com/freebsd/freebsd-src/blob/main/sys/netpfil/pf/pf_lb.c", AboutMapping, AboutFiltering),
			from(Medium, "pfSense documentation, Accessing Port Forwards from Local Networks: NAT reflection must be enabled", "https://docs.netgate.com/pfsense/en/latest/nat/reflection.html", AboutHairpin),
		},
		Beyond: pfBeyond + "; UDP port 500 is kept",
	},
	{
		Name:     "freebsd-libalias",
		Title:    "FreeBSD ipfw nat (libalias)",
		Observed: "libalias source",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice, c.PortRange = Random, PortRange{0x8000, 65535}
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
			c.TCP = TCPConfig{PartiallyOpen: 5 * time.Minute, Established: 24 * time.Hour, Closing: 10 * time.Second, Reset: 90 * time.Second}
		}),
		Facts: []Fact{
			from(High, "FreeBSD source, sys/netinet/libalias/alias_db.h, UDP_EXPIRE_TIME and TCP_EXPIRE_*", "https://github.com/freebsd/freebsd-src/blob/main/sys/netinet/libalias/alias_db.h", AboutUDP, AboutTCP),
			from(High, "ipfw(8), nat, udp_eim: without it a port for each destination, at random; libalias/alias_db.c, GetNewPort", "https://man.freebsd.org/cgi/man.cgi?ipfw(8)", AboutMapping, AboutPorts),
			from(High, "FreeBSD source, sys/netinet/libalias/alias_db.c, FindUdpTcpIn: what is of no link is for the box itself", "https://github.com/freebsd/freebsd-src/blob/main/sys/netinet/libalias/alias_db.c", AboutFiltering),
			guess(AboutHairpin),
		},
		Beyond: "one port may serve several destinations; a half-closed connection lives 90 s; the udp_eim, same_ports and deny_in options",
	},
	{
		Name:     "cisco-ios",
		Title:    "Cisco IOS, ip nat inside source overload",
		Observed: "Cisco documentation",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.PortClasses = true
			c.IdleTimeout, c.Refresh = 5*time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 24 * time.Hour, PartiallyOpen: time.Minute, Closing: time.Minute, Reset: time.Minute}
		}),
		Facts: []Fact{
			from(Medium, "Cisco IOS IP Addressing Services Command Reference, ip nat translation (timeout), as quoted", "https://blog.51cto.com/cisco130/1074624", AboutUDP, AboutTCP),
			from(Medium, "Cisco IOS IP Addressing: NAT Configuration Guide, FPG Endpoint Agnostic Port Allocation; groups of ports as quoted from the NAT FAQ",
				"https://www.cisco.com/c/en/us/td/docs/ios-xml/ios/ipaddr_nat/configuration/15-mt/nat-15-mt-book/iadnat-fpg-port-alloc.html", AboutMapping, AboutPorts),
			guess(AboutFiltering, AboutHairpin),
		},
		Beyond: "a host whose port is taken gets another for each destination, the first free one of 0-511, 512-1023 or 1024-65535; a flow to DNS lives 60 s",
	},
	{
		Name:     "cisco-asa",
		Title:    "Cisco ASA, dynamic PAT",
		Observed: "Cisco documentation",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.PortClasses = true
			c.IdleTimeout, c.ICMPTimeout, c.Refresh = 2*time.Minute, 2*time.Second, RefreshBoth
			c.TCP = TCPConfig{Established: time.Hour, PartiallyOpen: 30 * time.Second, Closing: time.Minute}
		}),
		Facts: []Fact{
			from(High, "ASA Firewall CLI Configuration Guide, Connection Settings, Configure Global Timeouts: conn, udp, icmp, embryonic", "https://www.manualslib.com/manual/1531207/Cisco-Asa-Series.html?page=383", AboutUDP, AboutTCP),
			from(High, "ASA Firewall CLI Configuration Guide, Configuring Twice NAT, extended and flat: the destination is not considered, the real port is kept or another of its range taken",
				"http://office.manualsonline.com/manuals/mfg/cisco_systems/asa_5580_1.html?p=141", AboutMapping, AboutPorts),
			from(Medium, "ASA CLI Configuration Guide, NAT Types: a remote host needs a connection, or an access rule", "https://www.easymanua.ls/cisco/asa-5515-x/manual/941771?p=754", AboutFiltering),
			from(Medium, "Cisco, Configure Hairpin on ASA: it takes a rule of its own", "https://www.cisco.com/c/en/us/support/docs/security/secure-firewall-threat-defense/221949-configure-hairpin-on-asa.html", AboutHairpin),
		},
		Beyond: "multi-session PAT keeps a port 30 s longer (timeout pat-xlate), per-session PAT (TCP and DNS) gives it back at once; extended PAT; a half-closed connection lives 10 min",
	},
	{
		Name:     "juniper-srx",
		Title:    "Juniper SRX, source NAT with a pool or interface",
		Observed: "Junos documentation",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			junos(c)
			c.IdleTimeout = time.Minute
		}),
		Facts: []Fact{
			junosSessions(AboutUDP, AboutTCP),
			junosPorts,
			from(Medium, "Junos documentation, Understanding Persistent NAT: only with it do all requests of an internal endpoint have one external endpoint", urlPersistent, AboutMapping, AboutFiltering),
			guess(AboutHairpin),
		},
		Beyond: "with an interface for its pool one port may serve several destinations",
	},
	persistent("juniper-srx-persistent", "any-remote-host", EndpointIndependent),
	persistent("juniper-srx-target-host", "target-host", AddressDependent),
	persistent("juniper-srx-target-host-port", "target-host-port", AddressAndPortDependent),
	{
		Name:     "windows-winnat",
		Title:    "Windows NetNat (WinNAT), Hyper-V and containers",
		Observed: "output of New-NetNat",
		Config: translator(EndpointIndependent, AddressDependent, func(c *Config) {
			c.IdleTimeout, c.ICMPTimeout = 2*time.Minute, 30*time.Second
			c.TCP = TCPConfig{Established: 30 * time.Minute, PartiallyOpen: 2 * time.Minute, Closing: 2 * time.Minute, Reset: 2 * time.Minute}
		}),
		Facts: []Fact{
			from(High, "Set-NetNat reference, UdpInboundRefresh: outbound packets alone refresh unless it is set", urlNetNat, AboutUDP),
			from(Medium, "output of New-NetNat in several guides: UdpIdleSessionTimeout 120, TcpEstablishedConnectionTimeout 1800, TcpTransientConnectionTimeout 120, IcmpQueryTimeout 30", "", AboutUDP, AboutTCP),
			from(Medium, "output of New-NetNat in several guides: AddressDependentFiltering; the reference names EndpointIndependentFiltering as the default", urlNetNat, AboutFiltering),
			guess(AboutMapping, AboutPorts, AboutHairpin),
		},
	},
	{
		Name:     "windows-ics",
		Title:    "Windows Internet Connection Sharing, as Windows CE has it",
		Observed: "Windows CE documentation",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortRange = PortRange{1025, 3000}
			c.IdleTimeout = time.Minute
			c.TCP = TCPConfig{Established: 24 * time.Hour}
		}),
		Facts: []Fact{
			from(Medium, "Windows Embedded CE 6.0, Application Registry Settings, note on normal rules of expiry", "https://learn.microsoft.com/en-us/previous-versions/windows/embedded/ee493064(v=winembedded.60)", AboutUDP, AboutTCP),
			from(Medium, "Windows CE 5.0, IP NAT Registry Settings, ReservedPortsStart and ReservedPortsEnd", "https://learn.microsoft.com/en-us/previous-versions/windows/embedded/aa450062(v=msdn.10)", AboutPorts),
			guess(AboutMapping, AboutFiltering, AboutHairpin),
		},
	},
	slirp("virtualbox", "VirtualBox, NAT mode",
		from(Medium, "VirtualBox source, src/VBox/Devices/Network/DrvNAT.cpp: it is libslirp", "https://github.com/mirror/vbox", AboutMapping, AboutFiltering, AboutUDP)),
	slirp("qemu-user", "QEMU user networking and slirp4netns"),
	{
		Name:     "passt",
		Title:    "passt and pasta since 2026, as rootless Podman has it",
		Observed: "passt source",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.UnrepliedTimeout, c.IdleTimeout, c.Refresh = 30*time.Second, 2*time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 2 * time.Hour}
		}),
		Facts: []Fact{
			from(High, "passt source, udp.c, UDP_TIMEOUT_DEFAULT and UDP_TIMEOUT_STREAM_DEFAULT", urlPasst, AboutUDP),
			from(High, "passt source, tcp.c, INACTIVITY_INTERVAL", urlPasst, AboutTCP),
			from(High, "passt source, fwd.c, fwd_nat_from_tap: UDP keeps its port; udp_flow.c, udp_flow_sock: a connected socket for each flow", urlPasst, AboutMapping, AboutFiltering, AboutPorts),
			guess(AboutHairpin),
		},
		Beyond: "the timers are those of the host's connection tracking if it has any, 180 s before 2026; one datagram and one answer are no stream yet; TCP gets a port of the host for each connection; no NAT for addresses of the host",
	},
	{
		Name:     "vmware-nat",
		Title:    "VMware Workstation, NAT mode (vmnat)",
		Observed: "vmnetnat.conf",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = time.Minute, RefreshBoth
		}),
		Facts: []Fact{
			from(Medium, "Workstation Pro documentation, NAT configuration file, [udp] timeout; its default by the comment in vmnetnat.conf",
				"https://docs.vmware.com/en/VMware-Workstation-Pro/15.0/com.vmware.ws.using.doc/GUID-35FA6F26-15CE-4D90-ABB1-7D6F479EDF8F.html", AboutUDP),
			guess(AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
		Beyond: "a UDP mapping may live up to twice as long",
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
			from(High, "Amazon VPC User Guide, Troubleshoot NAT gateways, Internet connection drops after 350 seconds", "https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html", AboutUDP, AboutTCP),
			from(Medium, "Amazon VPC User Guide, NAT gateway basics: ports 1024-65535, 55,000 connections to each unique destination; how ports are chosen it does not say",
				"https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html", AboutMapping, AboutPorts),
			guess(AboutFiltering, AboutHairpin),
		},
		Beyond: "one port may serve several destinations, 55,000 connections to each; RST to a TCP connection that was idle too long",
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
			from(High, "Amazon EC2 API Reference, ConnectionTrackingSpecification, defaults", "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecification.html", AboutUDP, AboutTCP),
			from(High, "Amazon EC2 User Guide, Security group connection tracking", "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html", AboutFiltering),
		},
		Beyond: "a stream is more than one request and one answer, here 2 s of it; what rules admit from and to everywhere is not tracked",
	},
	{
		Name:     "azure-nat-gateway",
		Title:    "Azure NAT Gateway",
		Observed: "Azure documentation",
		Config: translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
			c.PortChoice = Random
			c.IdleTimeout, c.Refresh = 4*time.Minute, RefreshBoth
			c.TCP = TCPConfig{Established: 4 * time.Minute}
		}),
		Facts: []Fact{
			from(High, "Azure documentation, NAT gateway resource, Idle timeout timers", urlAzure, AboutUDP, AboutTCP),
			from(High, "Azure documentation, NAT gateway resource, SNAT ports: one of 64,512 at random", urlAzure, AboutPorts),
			from(Medium, "Azure documentation, NAT gateway resource: a port is chosen for each connection", urlAzure, AboutMapping),
			guess(AboutFiltering, AboutHairpin),
		},
		Beyond: "a port serves several destinations once none is free; a port rests for a time after its connection; RST to a TCP connection that was idle too long",
	},
	{
		Name:     "gcp-cloud-nat",
		Title:    "Google Cloud NAT, endpoint-independent mapping off",
		Observed: "Google Cloud documentation",
		Config:   cloudNAT(AddressAndPortDependent),
		Facts:    cloudNATFacts,
		Beyond:   "64 ports or more for each machine, not the whole range; one port may serve several destinations",
	},
	{
		Name:     "gcp-cloud-nat-eim",
		Title:    "Google Cloud NAT, endpoint-independent mapping on",
		Observed: "Google Cloud documentation",
		Config:   cloudNAT(EndpointIndependent),
		Facts:    cloudNATFacts,
		Beyond:   "64 ports or more for each machine, not the whole range",
	},
	{
		Name:     "vpp-nat44-ei",
		Title:    "VPP nat44, endpoint-independent mode",
		Observed: "VPP source",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.Refresh, c.Hairpin = Random, RefreshBoth, ExternalSource
		}),
		Facts: []Fact{
			vppTimers,
			from(High, "VPP source, src/plugins/nat/nat44-ei/nat44_ei.c, nat44_ei_alloc_default_cb: random from 1024; nat44_ei_inlines.h, calc_nat_key: the remote endpoint is no part of a key", urlVPP, AboutMapping, AboutFiltering, AboutPorts),
			from(High, "VPP source, src/plugins/nat/nat44-ei/nat44_ei.c, the node nat44-ei-hairpinning", urlVPP, AboutHairpin),
		},
		Beyond: "a session whose time is over ends when its place is wanted, and works until then",
	},
	{
		Name:     "vpp-nat44-ed",
		Title:    "VPP nat44, endpoint-dependent mode: ports kept unless two flows clash",
		Observed: "VPP source",
		Config: linux(5*time.Minute, 5*time.Minute, func(c *Config) {
			c.PortRange = DefaultPortRange
			c.Tracking = TrackingTimers{
				ICMP: time.Minute, Established: DefaultTCPEstablished, Unacknowledged: DefaultTCPEstablished,
				SYNSent: DefaultTCPTransitory, SYNSent2: DefaultTCPTransitory, SYNReceived: DefaultTCPTransitory,
				FINWait: DefaultTCPTransitory, CloseWait: DefaultTCPTransitory, LastACK: DefaultTCPTransitory,
				TimeWait: DefaultTCPTransitory, Close: DefaultTCPTransitory,
			}
		}),
		Facts: []Fact{
			vppTimers,
			from(High, "VPP source, src/plugins/nat/nat44-ed/nat44_ed_in2out.c, nat_ed_alloc_addr_and_port_with_snat_address: the local port first, then a random one", urlVPP, AboutMapping, AboutFiltering, AboutPorts),
			from(High, "VPP source, src/plugins/nat/nat44-ed/nat44_ed_in2out.c, nat44_ed_external_sm_lookup: towards static mappings alone", urlVPP, AboutHairpin),
		},
		Beyond: "after a clash the next flow gets its local port again, where Linux keeps to the new one",
	},
	{
		Name:     "einat",
		Title:    "einat, endpoint-independent NAT in eBPF",
		Observed: "einat source and documentation",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortRange = PortRange{20000, 29999}
			c.UnrepliedTimeout, c.IdleTimeout, c.Hairpin = 2*time.Minute, 5*time.Minute, ExternalSource
			c.TCP = TCPConfig{Established: 2 * time.Hour}
		}),
		Facts: []Fact{
			from(High, "einat documentation, docs/reference/rfc-compliance.md, RFC 4787 REQ-1, REQ-8 and REQ-9", urlEinat, AboutMapping, AboutFiltering, AboutHairpin),
			from(High, "einat source, src/bpf/einat.bpf.c, TIMEOUT_UDP_MIN, TIMEOUT_UDP_DEFAULT, TIMEOUT_TCP_EST; ct_state_transition: outbound UDP refreshes", urlEinat, AboutUDP, AboutTCP),
			from(High, "einat documentation, README.md, --ports; config.sample.toml, udp_ranges", urlEinat, AboutPorts),
		},
		Beyond: "it takes the next free port where this takes a random one; hairpinning only between the interfaces it is told of",
	},
	{
		Name:     "cgn-typical",
		Title:    "carrier-grade NAT or DS-Lite AFTR with a block of ports for each subscriber",
		Observed: "makers' documentation, summarised",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.Hairpin = Random, ExternalSource
			c.Limits, c.WhenFull = Limits{PerSubscriber: 2016}, RefuseSilently
		}),
		Facts: []Fact{
			from(Medium, "VAS Experts documentation, CGNAT: full cone, hairpinning, limits for each subscriber", "https://wiki.vasexperts.ru/doku.php?id=en:cgnat_description", AboutMapping, AboutFiltering, AboutHairpin),
			from(Medium, "Nokia 7750 SR Multiservice ISA and ESA Guide, Timeouts", "https://infocenter.nokia.com/public/7750SR227R1A/topic/com.nokia.Multiservice_ISA_and_ESA_Guide/timeouts-ai9jxkmf1l.html", AboutUDP),
			from(Low, "DS-Lite, A10 and Cisco carrier documentation, not read again", "", AboutTCP),
			guess(AboutPorts, AboutLimits), // that there is a limit is not: the number is ours
		},
		Beyond: "set Config.Blocks to give the blocks a place; some give a flow 15 s until its second packet",
	},
	{
		Name:     "starlink-cgnat",
		Title:    "Starlink: the 1,201st session ends the oldest",
		Observed: "Starlink support page, as quoted",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice = Random
			c.Limits, c.WhenFull = Limits{PerSubscriber: 1200}, EvictOldest
		}),
		Facts: []Fact{
			from(Medium, "Starlink support page on CGNAT, as quoted by PCMag and others", "https://en.wedoany.com/shortnews/207559.html", AboutLimits),
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
			from(Low, "Richter et al., A Multi-perspective Analysis of Carrier-Grade NAT Deployment, IMC 2016, not read again", "https://arxiv.org/abs/1605.05606", AboutMapping, AboutUDP),
			guess(AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
	},
	{
		Name:     "realtek-cpe",
		Title:    "cheap home gateway on the Realtek SDK",
		Observed: "source of the SDK",
		Config: translator(EndpointIndependent, AddressAndPortDependent, func(c *Config) {
			c.IdleTimeout, c.Refresh = 15*time.Second, RefreshBoth
		}),
		Facts: []Fact{
			from(Medium, "Realtek SDK for eCos, its libalias: UDP_EXPIRE_TIME without CONFIG_RTL_NAPT_GARBAGE_COLLECTION", "https://github.com/luminais/ecos_http", AboutUDP),
			guess(AboutMapping, AboutFiltering, AboutPorts, AboutHairpin, AboutTCP),
		},
		Beyond: "60 s if built with that option",
	},
	{
		Name:     "ipv6-home",
		Title:    "IPv6 home gateway: a firewall, no translation",
		Observed: "Linux connection tracking",
		Config:   Config{Kind: Firewall, Filtering: AddressAndPortDependent, Refresh: RefreshBoth},
		Facts: []Fact{
			from(Medium, "Linux source, net/netfilter/nf_conntrack_proto_udp.c, which IPv4 and IPv6 share; measured on IPv4", urlLinuxUDP, AboutFiltering, AboutUDP, AboutTCP),
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
		Facts: []Fact{
			from(High, "RFC 4787 REQ-1 and REQ-8; RFC 5382 REQ-1 and REQ-3", urlRFC4787, AboutMapping, AboutFiltering),
			from(High, "RFC 4787 REQ-3, REQ-3a and REQ-4", urlRFC4787, AboutPorts),
			from(High, "RFC 4787 REQ-9a; RFC 5382 REQ-8", urlRFC4787, AboutHairpin),
			from(High, "RFC 4787 REQ-5c and REQ-6", urlRFC4787, AboutUDP),
			from(High, "RFC 5382 REQ-5; RFC 7857 section 2", "https://www.rfc-editor.org/rfc/rfc5382", AboutTCP),
		},
		Beyond: "ICMP to a host for which no port is left (RFC 5508 REQ-8)",
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
			from(High, "RFC 6888 REQ-1, which asks for RFC 4787, 5382 and 5508, and REQ-7", urlRFC6888, AboutMapping, AboutFiltering, AboutHairpin, AboutUDP, AboutTCP),
			from(High, "RFC 6888 REQ-2, REQ-8 and REQ-15", urlRFC6888, AboutPorts),
			guess(AboutLimits), // REQ-4 wants that there is one; the number is ours
		},
	},
}

// Addresses of documents that several facts are from.
const (
	urlAzure      = "https://learn.microsoft.com/en-us/azure/nat-gateway/nat-gateway-resource"
	urlCloudNAT   = "https://cloud.google.com/compute/docs/reference/rest/v1/routers"
	urlEinat      = "https://github.com/EHfive/einat-ebpf"
	urlLinuxUDP   = "https://github.com/torvalds/linux/blob/master/net/netfilter/nf_conntrack_proto_udp.c"
	urlNetNat     = "https://learn.microsoft.com/en-us/powershell/module/netnat/set-netnat"
	urlPasst      = "https://passt.top/passt"
	urlPersistent = "https://www.juniper.net/documentation/us/en/software/junos/nat/topics/topic-map/security-persistent-nat-and-nat64.html"
	urlRFC4787    = "https://www.rfc-editor.org/rfc/rfc4787"
	urlRFC6888    = "https://www.rfc-editor.org/rfc/rfc6888"
	urlSlirp      = "https://gitlab.freedesktop.org/slirp/libslirp"
	urlVPP        = "https://github.com/FDio/vpp"
)

func from(c Confidence, source, url string, about ...string) Fact {
	return Fact{About: about, Source: source, URL: url, Confidence: c}
}

func guess(about ...string) Fact { return Fact{About: about} }

const measuredLinux = "Linux 6.18.44, nftables"

var linuxFacts = []Fact{
	from(Measured, "packets through nftables in network namespaces, docs/calibration.md", "", AboutMapping, AboutFiltering, AboutPorts, AboutHairpin),
	from(High, "Linux source, net/netfilter/nf_conntrack_proto_udp.c and nf_conntrack_proto_tcp.c; how they run was measured, with shorter ones", urlLinuxUDP, AboutUDP, AboutTCP),
}

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

func mikrotik(name, title string, unreplied, streamAfter time.Duration, timers Fact) Device {
	return Device{
		Name:     name,
		Title:    title,
		Observed: "RouterOS documentation",
		Config: linux(unreplied, 3*time.Minute, func(c *Config) {
			c.StreamAfter = streamAfter
			c.Tracking = TrackingTimers{
				ICMP: 10 * time.Second, SYNSent: 5 * time.Second, SYNReceived: 5 * time.Second, Established: 24 * time.Hour,
				FINWait: 10 * time.Second, CloseWait: 10 * time.Second, LastACK: 10 * time.Second, TimeWait: 10 * time.Second, Close: 10 * time.Second,
			}
		}),
		Facts: []Fact{
			timers,
			from(Medium, "RouterOS runs on Linux; measured there", "", AboutMapping, AboutFiltering, AboutPorts),
			from(Medium, "RouterOS documentation, NAT, Hairpin NAT: it takes a rule of its own", "https://help.mikrotik.com/docs/display/ROS/NAT", AboutHairpin),
		},
		Beyond: "the endpoint-independent-nat action of RouterOS 7",
	}
}

// translator is a device with mappings that preserves ports where it can and follows
// the RFCs in its timers, but does not hairpin.
func translator(mapping, filtering Dependence, change func(*Config)) Config {
	c := Config{Mapping: mapping, Filtering: filtering, IdleTimeout: DefaultIdleTimeout}
	change(&c)
	return c
}

// pf is the packet filter of the BSDs, which translates by state.
func pf(change func(*Config)) Config {
	return translator(AddressAndPortDependent, AddressAndPortDependent, func(c *Config) {
		c.PortChoice = Random
		c.UnrepliedTimeout, c.IdleTimeout, c.Refresh = 30*time.Second, time.Minute, RefreshBoth
		c.ICMPTimeout = 20 * time.Second
		c.TCP = TCPConfig{Established: 24 * time.Hour, PartiallyOpen: 30 * time.Second, Closing: 45 * time.Second, Reset: 90 * time.Second}
		change(c)
	})
}

const pfBeyond = "the first packet alone gives 60 s (udp.first) or longer (tcp.first), one packet and one answer 30 s (udp.single); " +
	"a half-closed connection lives 15 min; one port may serve several destinations; static-port"

// junos is what every source NAT of an SRX does.
func junos(c *Config) {
	c.PortChoice, c.PortRange, c.Refresh = Random, PortRange{1024, 63487}, RefreshBoth
	c.TCP = TCPConfig{Established: 30 * time.Minute, Closing: 10 * time.Second, Reset: 10 * time.Second}
}

func junosSessions(about ...string) Fact {
	return from(High, "Junos documentation, Understanding Session Characteristics for SRX Series Services Gateways",
		"https://www.juniper.net/documentation/software/junos-security/junos-security10.2/junos-security-swconfig-security/topic-41970.html", about...)
}

var junosPorts = from(Medium, "output of show security nat source pool in a guide to SRX NAT",
	"https://www.blackhole-networks.com/SRXNAT/snat_address_persist.html", AboutPorts)

// persistent has a binding for 5 min after its last session, which lives 1 min.
func persistent(name, option string, filtering Dependence) Device {
	return Device{
		Name:     name,
		Title:    "Juniper SRX, persistent-nat permit " + option,
		Observed: "Junos documentation",
		Config: translator(EndpointIndependent, filtering, func(c *Config) {
			junos(c)
			c.IdleTimeout = time.Minute + 5*time.Minute
		}),
		Facts: []Fact{
			from(High, "Junos documentation, Persistent NAT and NAT64, Understanding Persistent NAT", urlPersistent, AboutMapping, AboutFiltering),
			from(High, "Junos documentation, Persistent NAT Configuration Overview, Inactivity timeout: 5 min from the end of the last session",
				"https://www.juniper.net/documentation/software/junos-security/junos-security10.2/junos-security-swconfig-security/topic-42827.html", AboutUDP),
			junosSessions(AboutUDP, AboutTCP),
			junosPorts,
			guess(AboutHairpin),
		},
		Beyond: "30 sessions to a binding; packets from the outside need a policy that admits them; a TCP binding, too, outlives its sessions by 5 min",
	}
}

func slirp(name, title string, facts ...Fact) Device {
	return Device{
		Name:     name,
		Title:    title,
		Observed: "libslirp source",
		Config: translator(EndpointIndependent, EndpointIndependent, func(c *Config) {
			c.PortChoice, c.PortRange = Random, PortRange{32768, 60999}
			c.IdleTimeout, c.Refresh = 240*time.Second, RefreshBoth
		}),
		Facts: append(facts,
			from(High, "libslirp source, src/socket.h, SO_EXPIRE", urlSlirp, AboutUDP),
			from(High, "libslirp source, src/udp.c, udp_input: a socket for each inside endpoint; src/socket.c, sorecvfrom: from whomever", urlSlirp, AboutMapping, AboutFiltering),
			from(Medium, "the host's choice; Linux documentation, ip-sysctl, ip_local_port_range, not read again", "https://docs.kernel.org/networking/ip-sysctl.html", AboutPorts),
			guess(AboutHairpin, AboutTCP),
		),
		Beyond: "after an answer from port 53 a socket lives 10 s (SO_EXPIREFAST); TCP is spliced, not translated",
	}
}

func cloudNAT(mapping Dependence) Config {
	return translator(mapping, AddressAndPortDependent, func(c *Config) {
		c.PortChoice = Random
		c.IdleTimeout, c.ICMPTimeout, c.Refresh = 30*time.Second, 30*time.Second, RefreshBoth
		c.TCP = TCPConfig{Established: 20 * time.Minute, PartiallyOpen: 30 * time.Second, Closing: 2 * time.Minute, Reset: 30 * time.Second}
	})
}

var cloudNATFacts = []Fact{
	from(High, "Compute Engine API, RouterNat: enableEndpointIndependentMapping", urlCloudNAT, AboutMapping),
	from(High, "Compute Engine API, RouterNat: udpIdleTimeoutSec, tcpEstablishedIdleTimeoutSec, tcpTransitoryIdleTimeoutSec, tcpTimeWaitTimeoutSec, icmpIdleTimeoutSec", urlCloudNAT, AboutUDP, AboutTCP),
	from(Low, "Cloud NAT overview, Specifications, not read again", "https://cloud.google.com/nat/docs/overview", AboutFiltering),
	guess(AboutPorts, AboutHairpin),
}

var vppTimers = from(High, "VPP source, src/plugins/nat/lib/lib.h, NAT_UDP_TIMEOUT and its neighbors", urlVPP, AboutUDP, AboutTCP)
