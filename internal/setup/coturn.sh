#!/bin/sh
# Installs turnutils_natdiscovery (Debian package coturn), the independent client
# of servers/stun/coturn_test.go. Needs root, or sudo; does nothing if it is there.
set -eu

if command -v turnutils_natdiscovery >/dev/null; then
	exit 0
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
$run apt-get install -q -y --no-install-recommends coturn
command -v turnutils_natdiscovery
