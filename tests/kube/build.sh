#!/bin/bash
# Builds kube-apiserver, which Debian does not ship as a binary, and kubectl from Debian 12's source
# package "kubernetes" with Debian's Go, into $K8CONTIVNET_KUBE (default: in the user's cache folder).
# Debian's own kubectl crashes about every second time when it writes a map: see reflect2 below.
#   build.sh          builds both if one is missing; prints the folder that has them
#   build.sh --wait   waits for a running build, and starts none
# Simultaneous calls build once. No root is needed; the machine's own apt state stays unchanged.
set -euo pipefail
umask 022

VERSION=1.20.2
kept=${K8CONTIVNET_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/k8contivnet/kube}
work=$kept/work

say() { printf '%s\n' "build.sh: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

# ---- Debian's source, by package lists of our own: the machine's usually have no sources

private_apt() {
  (cd "$work/apt" && apt-get -qq -o Dir::Etc::SourceList="$work/apt/none" \
    -o Dir::Etc::SourceParts="$work/apt/parts" -o Dir::State::Lists="$work/apt/lists" \
    -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@" </dev/null >&2)
}

# Adds the source packages of Debian's repositories: from "deb ..." lines and from stanzas with "Types:".
add_sources() {
  local file SourceList='' SourceParts=''
  eval "$(apt-config shell SourceList Dir::Etc::sourcelist/f SourceParts Dir::Etc::sourceparts/d)"
  for file in "$SourceList" "$SourceParts"*.list "$SourceParts"*.sources; do
    if [ ! -f "$file" ] || ! grep -qiE 'debian|bookworm' "$file"; then continue; fi
    sed -E 's/^deb[[:space:]]/deb-src /; s/^Types:.*/Types: deb-src/' "$file" \
      >"$work/apt/parts/$(basename "$file")"
  done
}

fetch_source() {
  mkdir -p "$work"/apt/{parts,lists/partial,cache/archives/partial} "$work/go/src/k8s.io"
  add_sources
  private_apt update || say "some package lists could not be downloaded; continuing with the others"
  private_apt source --download-only kubernetes
  dpkg-source --no-check -x "$work"/apt/kubernetes_"${VERSION%.*}".*.dsc \
    "$work/go/src/k8s.io/kubernetes" >&2
}

# ---- build

# The source was written for Go 1.15. Go 1.18 changed the iterator of maps; reflect2 supports it since
# 1.0.2, and older versions crash. Debian has 1.0.2 as a package.
replace_reflect2() {
  local old=vendor/github.com/modern-go/reflect2
  rm -rf "$old"
  cp -rL /usr/share/gocode/src/github.com/modern-go/reflect2 "$old"
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
# time.
compile() {
  local stamp=k8s.io/kubernetes/vendor/k8s.io/component-base/version
  export PATH=/usr/lib/go-1.19/bin:$PATH GOPATH=$work/go GOCACHE=$work/gocache TMPDIR=$work/tmp \
    GO111MODULE=off GOPROXY=off GOENV=off GOFLAGS=-p=2 CGO_ENABLED=0 GOTOOLCHAIN=local \
    GOGC=400
  mkdir -p "$work/tmp" "$work/bin"
  cd "$work/go/src/k8s.io/kubernetes"
  replace_reflect2
  generate_openapi
  # providerless: without the cloud providers, which are half of the work.
  go build -trimpath -gcflags=all=-dwarf=false -tags providerless -o "$work/bin/" -ldflags \
    "-s -w -X $stamp.gitVersion=v$VERSION -X $stamp.gitMajor=1 -X $stamp.gitMinor=20" \
    ./cmd/kube-apiserver ./cmd/kubectl
  # Tests wait for this one, so it comes last.
  mv "$work/bin/kubectl" "$kept/kubectl"
  mv "$work/bin/kube-apiserver" "$kept/kube-apiserver"
}

build() {
  local before=$SECONDS
  say "building kube-apiserver and kubectl $VERSION into $kept; this takes some minutes and, temporarily, 2 GB"
  rm -rf "$work"
  mkdir -p "$work"
  trap 'cd /; rm -rf "$work"' EXIT
  fetch_source
  compile >&2
  say "built kube-apiserver in $((SECONDS - before)) s"
}

mkdir -p "$kept"
kept=$(cd "$kept" && pwd -P)
work=$kept/work
exec 9>>"$kept/lock"
flock 9
if [ ! -x "$kept/kube-apiserver" ] || [ ! -x "$kept/kubectl" ]; then
  [ "${1-}" != --wait ] || fail "no kube-apiserver with its kubectl in $kept: $(tail -n 3 "$kept/build.log" 2>/dev/null |
    tr '\n' ' ')run tests/kube/build.sh"
  build
fi
echo "$kept"
