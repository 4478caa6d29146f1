#!/usr/bin/env bash
# Installs what the tests against the kernel run: nft and ip (Debian packages).
set -euo pipefail

PATH=$PATH:/usr/sbin:/sbin # where the commands are, though not on everybody's path
missing=()
command -v nft >/dev/null || missing+=(nftables)
command -v ip >/dev/null || missing+=(iproute2)
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "missing ${missing[*]}, and neither root nor sudo to install them" >&2
    exit 1
  fi
  sudo=(sudo)
fi
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
