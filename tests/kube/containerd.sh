#!/bin/bash
# Fetches the containerd of other Debian releases beside the system's, into $K8CONTIVNET_KUBE (default: in
# the user's cache folder): they run on Debian 12, too.
#   containerd.sh RELEASE...   fetches those that are missing; prints the folder that has containerd-RELEASE
# Simultaneous calls fetch once. The machine's own apt state and packages stay unchanged.
set -euo pipefail
umask 022

kept=${K8CONTIVNET_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/k8contivnet/kube}
mkdir -p "$kept"
kept=$(cd "$kept" && pwd -P)

say() { printf '%s\n' "containerd.sh: $*" >&2; }

# shellcheck source=tests/kube/debian_parts.sh
. "$(dirname "$(realpath "$0")")/debian_parts.sh"

fetch() {
  local release=$1 work
  work=$(mktemp -d "$kept/containerd.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now
  trap "rm -rf '$work'" EXIT
  say "fetching the containerd of Debian $release into $kept"
  # Updates and security have lists of their own for released versions; the base list is enough.
  add_lists "s/^(deb .*[[:space:]])bookworm[^[:space:]]*( .*)/\1$release\2/; s/^Suites:.*/Suites: $release/"
  private_apt -o "APT::Default-Release=$release" download containerd
  dpkg-deb -x "$work"/apt/containerd_*.deb "$work/root"
  mv "$work/root/usr/bin" "$kept/containerd-$release"
  rm -rf "$work"
}

exec 9>>"$kept/containerd.lock"
flock 9
for release in "$@"; do [ -x "$kept/containerd-$release/containerd" ] || fetch "$release"; done
echo "$kept"
