#!/bin/sh
# Installs what the tests of package emulator run in the lab: ping, traceroute, ip, curl, nft, coturn (Debian packages).
# Needs root, or sudo; does nothing if it is there.
set -eu

PATH=$PATH:/usr/sbin:/sbin # where the commands are, though not on everybody's path
# A machine of CI that is not root's may be made to let us: what natproof doctor would say.
if [ -n "${CI:-}" ] && [ "$(id -u)" -ne 0 ]; then
	sudo sysctl -q -w kernel.apparmor_restrict_unprivileged_userns=0 2>/dev/null || true
	sudo chmod 666 /dev/net/tun 2>/dev/null || true
fi
missing=
command -v ip >/dev/null || missing="$missing iproute2"
command -v ping >/dev/null || missing="$missing iputils-ping"
command -v traceroute >/dev/null || missing="$missing traceroute"
command -v curl >/dev/null || missing="$missing curl"
command -v nft >/dev/null || missing="$missing nftables"
command -v turnserver >/dev/null || missing="$missing coturn"
if [ -z "$missing" ]; then
	exit 0
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
$run apt-get install -q -y --no-install-recommends $missing
