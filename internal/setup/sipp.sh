#!/bin/sh
# Installs SIPp (Debian package sip-tester), the independent peer of internal/sipp.
# Needs root, or sudo; does nothing if it is there.
set -eu

if command -v sipp >/dev/null; then
	exit 0
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
$run apt-get install -q -y --no-install-recommends sip-tester
command -v sipp
