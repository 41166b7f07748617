#!/bin/bash
# Builds what Debian ships as source only, from Debian 12's package "kubernetes" with Debian's Go, into
# $K8CONTIVNET_KUBE (default: in the user's cache folder): kube-apiserver, kubectl (Debian's own crashes
# about every second time when it writes a map: see reflect2 below), and what a node needs.
#   build.sh [NAME...]          builds those of the executables (default: all) that are missing; prints the
#                               folder that has them
#   build.sh --wait [NAME...]   waits until a running build has built them, and starts none
# Simultaneous calls build once. A build that was interrupted goes on where it was: finished executables
# and Go's cache are kept. No root is needed; the machine's own apt state stays unchanged.
set -euo pipefail
umask 022

VERSION=1.20.2
# In the order in which tests need them, and by increasing time: kubelet takes as long as all others.
ALL=(kubectl kube-apiserver kube-scheduler kube-controller-manager kube-proxy kubelet)
kept=${K8CONTIVNET_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/k8contivnet/kube}
work=$kept/work

say() { printf '%s\n' "build.sh: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

# shellcheck source=tests/kube/debian_parts.sh
. "$(dirname "$(realpath "$0")")/debian_parts.sh"

# ---- source

fetch_source() {
  if [ -e "$work/go/complete" ]; then return; fi
  rm -rf "$work/apt" "$work/go"
  mkdir -p "$work/go/src/k8s.io"
  add_lists 's/^deb[[:space:]]/deb-src /; s/^Types:.*/Types: deb-src/'
  private_apt source --download-only kubernetes
  dpkg-source --no-check -x "$work"/apt/kubernetes_"${VERSION%.*}".*.dsc \
    "$work/go/src/k8s.io/kubernetes" >&2
  (cd "$work/go/src/k8s.io/kubernetes" && replace_reflect2 && speak_cri_v1)
  touch "$work/go/complete"
}

# ---- build

# The source was written for Go 1.15. Go 1.18 changed the iterator of maps; reflect2 supports it since
# 1.0.2, and older versions crash. Debian has 1.0.2 as a package.
replace_reflect2() {
  local old=vendor/github.com/modern-go/reflect2
  rm -rf "$old"
  cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 "$old"
}

# This kubelet's messages of the Container Runtime Interface are those of its v1 under the name of
# v1alpha2, which containerd 2 does not answer to any more; 1.6 and 1.7 answer to both.
speak_cri_v1() {
  sed -i -E 's/runtime\.v1alpha2\.(Runtime|Image)Service/runtime.v1.\1Service/' \
    staging/src/k8s.io/cri-api/pkg/apis/runtime/v1alpha2/api.pb.go
}

# The API's description is not in the source: the build generates it from the types. Half of
# vendor/k8s.io are symbolic links, which -R follows.
generate_openapi() {
  local folders
  go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  folders=$(grep -Rl --include='*.go' '+k8s:openapi-gen=' cmd pkg plugin vendor/k8s.io |
    grep -vE '/(code-generator|gengo|kube-openapi|sample-apiserver)/' |
    sed 's,/[^/]*$,,; s,^,k8s.io/kubernetes/,' | LC_ALL=C sort -u | paste -sd,)
  "$work/openapi-gen" --logtostderr -i "$folders" -p k8s.io/kubernetes/pkg/generated/openapi \
    -O zz_generated.openapi -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt \
    -r "$work/violations"
}

# With less frequent garbage collection and without debug information, compiling takes a quarter less
# time. providerless: without the cloud providers, which are half of the work.
compile() {
  local stamp=k8s.io/kubernetes/vendor/k8s.io/component-base/version name before
  export PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=$work/go GOCACHE=$work/gocache TMPDIR=$work/tmp \
    GO111MODULE=off GOPROXY=off GOENV=off GOFLAGS=-p=2 CGO_ENABLED=0 GOTOOLCHAIN=local \
    GOGC=400
  rm -rf "$work/tmp"
  mkdir -p "$work/tmp" "$work/bin"
  cd "$work/go/src/k8s.io/kubernetes"
  for name in "$@"; do
    before=$SECONDS
    [ "$name" != kube-apiserver ] || generate_openapi
    go build -trimpath -gcflags=all=-dwarf=false -tags providerless -o "$work/bin/$name" -ldflags \
      "-s -w -X $stamp.gitVersion=v$VERSION -X $stamp.gitMajor=1 -X $stamp.gitMinor=20" "./cmd/$name"
    mv "$work/bin/$name" "$kept/$name"
    say "built $name in $((SECONDS - before)) s"
  done
}

build() {
  say "building $* $VERSION into $kept; this takes some minutes and, temporarily, 3 GB"
  mkdir -p "$work"
  trap 'cd /; rm -rf "$work/apt" "$work/tmp"' EXIT
  fetch_source
  compile "$@" >&2
  cd /
  rm -rf "$work"
}

# Prints those of the executables that are not there.
missing() {
  local name
  for name in "$@"; do [ -x "$kept/$name" ] || echo "$name"; done
}

# Whoever builds holds the lock.
wait_for() {
  until [ -z "$(missing "$@")" ]; do
    if flock --nonblock 9 && [ -n "$(missing "$@")" ]; then
      fail "no $(missing "$@" | paste -sd ' ') in $kept: $(tail -n 3 "$kept/build.log" 2>/dev/null |
        tr '\n' ' ')run tests/kube/build.sh"
    fi
    sleep 0.5
  done
}

mkdir -p "$kept"
kept=$(cd "$kept" && pwd -P)
work=$kept/work
exec 9>>"$kept/lock"
does=build
if [ "${1-}" = --wait ]; then
  does='wait'
  shift
fi
[ $# -gt 0 ] || set -- "${ALL[@]}"
for name in "$@"; do
  [[ " ${ALL[*]} " == *" $name "* ]] || fail "no executable $name is built here; there are: ${ALL[*]}"
done
if [ "$does" = wait ]; then
  wait_for "$@"
else
  flock 9
  mapfile -t wanted < <(missing "$@")
  [ "${#wanted[@]}" = 0 ] || build "${wanted[@]}"
fi
echo "$kept"
