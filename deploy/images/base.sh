#!/bin/sh
# Makes a small base image of Debian 12 with the named packages, where none can be pulled:
#   sh deploy/images/base.sh NAME PACKAGE...      (root; needs debootstrap and a Docker engine)
# The packages come from wherever this machine's own apt gets them. With TRIM=yes what only installs more
# packages is left out too.
set -eu
name=$1
shift
packages=$(echo "$*" | tr ' ' ',')
mirror=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase ${packages:+--include="$packages"} bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
  { tail -n 20 "$root.log" >&2; echo "debootstrap failed; the last lines are above." >&2; exit 1; }
rm -f "$root.log"

# What a container never asks for: the package manager's lists, translations, manuals.
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/*
rm -rf "$root"/usr/share/locale/* "$root"/usr/share/man/* "$root"/usr/share/info/*
find "$root/usr/share/doc" -type f ! -name copyright -delete
find "$root" -xdev -name __pycache__ -type d -prune -exec rm -rf {} +
if [ "${TRIM:-no}" = yes ]; then
  rm -rf "$root"/usr/lib/apt "$root"/usr/bin/apt* "$root"/usr/bin/dpkg* "$root"/usr/bin/*perl* "$root"/usr/share/perl*
  rm -rf "$root"/usr/lib/*/perl* "$root"/usr/lib/*/gconv "$root"/usr/lib/*/libapt-* "$root"/usr/lib/*/libdb-5* "$root"/usr/lib/*/libp11*
  rm -rf "$root"/usr/lib/python3*/lib2to3 "$root"/usr/lib/python3*/pydoc_data "$root"/usr/lib/python3*/distutils
  rm -rf "$root"/usr/share/zoneinfo "$root"/usr/share/doc "$root"/usr/sbin/*fs* "$root"/usr/bin/localedef "$root"/usr/bin/openssl
  rm -rf "$root"/var/lib/dpkg/info "$root"/usr/share/python-wheels "$root"/usr/bin/gpgv "$root"/usr/lib/*/libgnutls*
  rm -rf "$root"/usr/lib/*/libunistring* "$root"/usr/lib/*/libgcrypt* "$root"/usr/lib/*/libhogweed* "$root"/usr/lib/*/libnettle*
  rm -rf "$root"/usr/lib/*/libext2fs* "$root"/usr/lib/*/security "$root"/usr/lib/*/libsepol* "$root"/usr/lib/*/libsemanage*
fi
tar -C "$root" -c . | docker import --change 'ENV LANG=C.UTF-8' - "$name" >/dev/null
docker image inspect --format '{{.Size}}' "$name" | awk -v name="$name" '{ printf "%s: %d MB\n", name, $1 / 1e6 }'
