#!/bin/sh
# Installs the programs that internal/peers plays: SIPp, baresip, coturn, Kamailio, tshark, ip, nft, curl (Debian packages).
# Needs root, or sudo; does nothing if they are there.
set -eu

PATH=$PATH:/usr/sbin:/sbin
missing=
for x in sipp:sip-tester baresip:baresip-core turnserver:coturn kamailio:kamailio tshark:tshark ip:iproute2 nft:nftables curl:curl; do
	command -v "${x%%:*}" >/dev/null || missing="$missing ${x#*:}"
done
if [ -z "$missing" ]; then
	exit 0
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
# shellcheck disable=SC2086 # one word each
$run apt-get install -q -y --no-install-recommends $missing
