#!/bin/sh
# Installs the NATs that internal/realnats measures (Debian packages nftables, passt and
# slirp4netns), and what it builds labs with. Needs root, or sudo; does nothing if all is there.
set -eu

PATH=$PATH:/usr/sbin:/sbin
missing=
for x in nft:nftables ip:iproute2 sysctl:procps unshare:util-linux pasta:passt slirp4netns:slirp4netns; do
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
