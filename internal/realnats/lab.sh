#!/usr/bin/env bash
# A host at 198.51.100.1, and beyond it a 'natproof serve' with 203.0.113.10 and 203.0.113.11. The
# first argument is what is between the host and the program: docker, pasta or slirp4netns; the
# second is natproof, and the others are the program. It is the first process of a process
# namespace, and has network and mount namespaces of its own: see the test.
set -eu
nat=$1 natproof=$2
shift 2
PATH=$PATH:/usr/sbin:/sbin
patiently() { # until the command says yes, for ten seconds
	for _ in $(seq 200); do
		if "$@"; then return; fi
		sleep 0.05
	done
	echo "lab: never: $*" >&2
	exit 1
}
hold() { # a namespace that lives as long as this script
	unshare "$@" sleep infinity &
	held=$!
	patiently sh -c "[ \"\$(readlink /proc/$held/ns/net)\" != \"$(readlink /proc/$$/ns/net)\" ]"
}
within() { pid=$1; shift; nsenter -t "$pid" -n "$@"; }
mount -t proc proc /proc
mount -t tmpfs tmpfs /dev/net # for those who are not root
mknod -m 666 /dev/net/tun c 10 200
ip link set lo up
hold -n
inet=$held
ip link add wan type veth peer name eth0 netns "$inet"
ip addr add 198.51.100.1/24 dev wan
ip link set wan up
ip route add default via 198.51.100.254
within "$inet" ip link set lo up
within "$inet" ip addr add 198.51.100.254/24 dev eth0
within "$inet" ip link set eth0 up
within "$inet" ip addr add 203.0.113.10/32 dev lo
within "$inet" ip addr add 203.0.113.11/32 dev lo
within "$inet" "$natproof" serve --listen 203.0.113.10:5060 --sip-probe-alternate 203.0.113.10:7060 \
	--stun 203.0.113.10:3478 --stun-alternate 203.0.113.11:3479 --rate-limit 0 > /dev/net/serving &
# the registrar, four sockets of STUN, the other port of the probe
patiently sh -c '[ "$(wc -l < /dev/net/serving)" -ge 6 ]'

case $nat in
docker)
	# The rules of Docker's documentation, firewall with iptables, in nftables.
	hold -n
	box=$held
	ip link add docker0 type bridge
	ip addr add 172.17.0.1/16 dev docker0
	ip link set docker0 up
	ip link add veth0 type veth peer name eth0 netns "$box"
	ip link set veth0 master docker0 up
	within "$box" ip link set lo up
	within "$box" ip addr add 172.17.0.2/16 dev eth0
	within "$box" ip link set eth0 up
	within "$box" ip route add default via 172.17.0.1
	sysctl -qw net.ipv4.ip_forward=1
	nft -f - <<'NFT'
table ip nat {
	chain DOCKER { }
	chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; fib daddr type local counter jump DOCKER; }
	chain OUTPUT { type nat hook output priority -100; policy accept; ip daddr != 127.0.0.0/8 fib daddr type local counter jump DOCKER; }
	chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; oifname != "docker0" ip saddr 172.17.0.0/16 counter masquerade; }
}
table ip filter {
	chain DOCKER { iifname != "docker0" oifname "docker0" counter drop; }
	chain DOCKER-USER { counter return; }
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER
		oifname "docker0" ct state established,related counter accept
		oifname "docker0" counter jump DOCKER
		iifname "docker0" counter accept
	}
}
NFT
	within "$box" "$@"
	;;
pasta)
	# As somebody who is not root, without ports that are forwarded from outside, as Podman has it,
	# in a namespace with another address than the host's.
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		pasta --quiet -4 -t none -u none -T none -U none --config-net -a 10.0.2.15 -n 24 -g 10.0.2.2 -- "$@"
	;;
slirp4netns)
	hold -n
	box=$held
	slirp4netns --configure --mtu=65520 --disable-host-loopback "$box" tap0 >/dev/null 2>&1 &
	patiently sh -c "nsenter -t $box -n ip -4 route show default | grep -q tap0"
	within "$box" "$@"
	;;
esac
