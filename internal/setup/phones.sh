#!/bin/sh
# Installs the phones that are driven by emulator/phones (Debian packages baresip-core, sip-tester and
# linphone-cli). Needs root, or sudo; does nothing if they are there.
set -eu

if command -v baresip >/dev/null && command -v sipp >/dev/null && command -v linphone-daemon >/dev/null; then
	exit 0
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
$run apt-get install -q -y --no-install-recommends baresip-core sip-tester linphone-cli
command -v baresip sipp linphone-daemon
