#!/bin/bash
# Builds programs with libcni, the library by which container runtimes call CNI plugins, from Debian's source with
# Debian's Go, into $K8CONTIVNET_KUBE (default: in the user's cache folder):
#   cnitool-1.1   cnitool of Debian 12
#   cnitool-1.3   cnitool of a later release, which has GC and STATUS
#   call          ./libcni/call with the later libcni
#   reference     ./libcni/reference with the later skel
#   libcni.sh         builds them, if they are missing; prints the folder that has them
#   libcni.sh --wait  waits until a running build has built them, and starts none
# Simultaneous calls build once. No root is needed; the machine's own apt state and packages stay unchanged.
set -euo pipefail
umask 022

LATER=forky
here=$(dirname "$(realpath "$0")")
kept=${K8CONTIVNET_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/k8contivnet/kube}
mkdir -p "$kept"
kept=$(cd "$kept" && pwd -P)
# Another version of this script or of the programs is another folder.
made=$kept/libcni-$(cat "$here/libcni.sh" "$here"/libcni/*/*.go | sha256sum | cut -c 1-12)

say() { printf '%s\n' "libcni.sh: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

# shellcheck source=tests/kube/debian_parts.sh
. "$here/debian_parts.sh"

# fetch RELEASE COMMAND...: runs an apt-get command with the lists of sources and packages of a release.
fetch() {
  local release=$1
  shift
  rm -rf "$work/apt"
  add_lists "/^(deb|Types:|Suites:)/ {
    s/^deb(-src)?([[:space:]].*[[:space:]])bookworm[^[:space:]]*( .*)/deb\2$release\3\ndeb-src\2$release\3/
    s/^Types:.*/Types: deb deb-src/
    s/^Suites:.*/Suites: $release/
  }"
  private_apt -o "APT::Default-Release=$release" "$@"
}

# unpack GOPATH: unpacks the downloaded source archive to its place in a Go path.
unpack() {
  local place=$1/src/github.com/containernetworking/cni
  mkdir -p "$place"
  tar -xf "$work"/apt/golang-github-appc-cni_*.orig.tar.* -C "$place" --strip-components=1
}

# The later source is written for Go 1.21: what it uses of it is two functions.
suit_go_1_19() {
  local libcni=$1/src/github.com/containernetworking/cni/libcni
  mkdir -p "$1/src/slices"
  cat >"$1/src/slices/slices.go" <<'GO'
package slices

import "sort"

func SortFunc[S ~[]E, E any](list S, compare func(a, b E) int) {
	sort.SliceStable(list, func(i, j int) bool { return compare(list[i], list[j]) < 0 })
}
GO
  cat >"$libcni/joined.go" <<'GO'
package libcni

import "fmt"

type joined []error

func (j joined) Error() string { return fmt.Sprint([]error(j)) }
func (j joined) Unwrap() error { return j[0] }

func join(all []error) error {
	if len(all) == 0 {
		return nil
	}
	return joined(all)
}
GO
  sed -i 's/errors\.Join(errs\.\.\.)/join(errs)/; /^\t"errors"$/d' "$libcni/api.go"
}

# compile GOPATH PACKAGE NAME
compile() {
  local cache=github.com/containernetworking/cni/libcni.CacheDir
  (
    export PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=$1 GOCACHE=$work/gocache TMPDIR=$work GO111MODULE=off \
      GOPROXY=off GOENV=off GOFLAGS=-p=2 CGO_ENABLED=0 GOTOOLCHAIN=local
    cd "$1/src"
    go build -trimpath -ldflags "-s -w -X $cache=/run/cnitool" -o "$work/made/$3" "$2" >&2
  )
}

build() {
  local old=$work/old later=$work/later library=github.com/containernetworking/cni name
  say "building cnitool and programs with libcni from Debian's source into $kept"
  mkdir -p "$work/made"
  fetch bookworm source --download-only --tar-only golang-github-appc-cni
  unpack "$old"
  fetch bookworm download golang-github-vishvananda-netns-dev golang-golang-x-sys-dev
  for name in "$work"/apt/*.deb; do dpkg-deb -x "$name" "$work/root"; done
  fetch "$LATER" source --download-only --tar-only golang-github-appc-cni
  unpack "$later"
  suit_go_1_19 "$later"
  cp -rL "$work"/root/usr/share/gocode/src/* "$later/src"
  cp -r "$here"/libcni/* "$later/src"
  compile "$old" "$library/cnitool" cnitool-1.1
  compile "$later" "$library/cnitool" cnitool-1.3
  for name in call reference; do compile "$later" "$name" "$name"; done
  find "$kept" -maxdepth 1 -name 'libcni-*' -type d -mtime +7 -exec rm -rf {} +
  mv "$work/made" "$made"
}

# Whoever builds holds the lock.
wait_for() {
  until [ -d "$made" ]; do
    if flock --nonblock 9 && [ ! -d "$made" ]; then
      fail "no $made: $(tail -n 3 "$kept/libcni.log" 2>/dev/null | tr '\n' ' ')run tests/kube/libcni.sh"
    fi
    sleep 0.5
  done
}

exec 9>>"$kept/libcni.lock"
if [ "${1-}" = --wait ]; then
  wait_for
else
  flock 9
  if [ ! -d "$made" ]; then
    [ -x /usr/lib/go-1.19/bin/go ] || fail "there is no /usr/lib/go-1.19/bin/go; install golang-1.19-go"
    rm -rf "$kept"/building.* # of builds that were killed
    work=$(mktemp -d "$kept/building.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    build
  fi
fi
echo "$made"
