#!/bin/sh
# build.sh: builds dist/k8contivnet, the file to install: a launcher and, compressed, the program.
# The program is the executable of "deno compile" if its base runtime is available, else Deno with the
# bundled code. K8CONTIVNET_FORM=elf or deno requires one of them. The build is reproducible.
set -eu
cd "$(dirname "$0")/.."
header_size=81920

fail() {
  echo "build: $1" >&2
  exit 1
}

command -v musl-gcc >/dev/null || fail "musl-gcc is missing, which compiles the launcher; install musl-tools and gcc"
mkdir -p dist
work=$(mktemp -d "$PWD/dist/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
stage=$work/stage
mkdir "$stage"

# Not $(command -v deno), which may be npm's wrapper script.
# shellcheck disable=SC2046 # five words
set -- $(deno eval --quiet 'import c from "./deno.json" with { type: "json" };
  import { versionAnswer } from "./lib/cni/cni_answers.ts";
  const { cniVersion } = JSON.parse(versionAnswer());
  console.log(Deno.execPath(), Deno.build.arch, c.version, cniVersion, versionAnswer())')
deno=$1 machine=$2 version=$3 cni_version=$4 cni=$5
[ "$(head -c 4 "$deno" | tail -c 3)" = ELF ] || fail "$deno is not a Linux executable"
permissions=$(sed '/^#/d' .ci/permissions | tr '\n' ' ')
flags="--cached-only --no-check --no-config --no-lock --no-npm --no-remote --no-prompt --quiet"

# Succeeds if the compiled form can be built and prints the same help as the bundle.
elf_works() {
  [ "${K8CONTIVNET_FORM-}" != deno ] || return 1
  rm -f dist/k8contivnet.elf
  sh .ci/compile.sh 60 2>"$work/output" || return 1
  # shellcheck disable=SC2086 # one word per flag
  expected=$(DENO_DIR=$work/run "$deno" run $flags $permissions "$work/app/main.js" help </dev/null) &&
    printed=$(env -i PATH="$PATH" timeout 20 dist/k8contivnet.elf help </dev/null 2>&1) || return 1
  [ "$printed" = "$expected" ]
}

deno run -A .ci/bundle.ts "$work/app"
if elf_works; then
  content="the executable of deno compile"
  cp dist/k8contivnet.elf "$stage/k8contivnet"
  probe="k8contivnet help" files=k8contivnet
  # shellcheck disable=SC2016 # for the launcher to expand
  become='exec "$k8c_dir/k8contivnet"'
else
  [ "${K8CONTIVNET_FORM-}" != elf ] || fail "the compiled form cannot be built: $(cat "$work/output")"
  content="Deno and the program"
  cp "$deno" "$stage/deno"
  mv "$work/app" "$stage/app"
  probe="deno --version" files="deno app app/main.js"
  become="exec \"\$k8c_dir/deno\" run $flags \$k8c_more $permissions\"\$k8c_dir/app/main.js\""
fi
glibc=$(LC_ALL=C grep -aoE 'GLIBC_2\.[0-9]+' "$stage/${probe%% *}" | sort -uV | tail -n 1)

tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go= --format=ustar \
  -cf - -C "$stage" . | gzip -n >"$work/payload"
sum=$(sha256sum "$work/payload")
sum=${sum%% *}
key=$(echo "$sum" | cut -c 1-16)

sed -e "s|@VERSION@|$version|; s|@CONTENT@|$content|; s|@KEY@|$key|g; s|@SUM@|$sum|" \
  -e "s|@FILES@|$files|g; s|@PROBE@.|${probe%% *}\" ${probe#* }|; s|@BECOME@|$become|" \
  -e "s|@GLIBC@|${glibc#GLIBC_}|g; s|@MACHINE@|$machine|; s|@OFFSET@|$((header_size + 1))|" \
  -e "s|@CNIVERSION@|$cni_version|" \
  .ci/unpack.sh >"$work/unpack.sh"
! grep -n '@[A-Z]*@' "$work/unpack.sh" || fail ".ci/unpack.sh has a placeholder without a value"
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }
(cd "$work" && musl-gcc -std=gnu11 -Wall -Wextra -Werror -Os -static -s -DSCRIPT_FILE='"unpack.sh"' \
  -DCNI_VERSION="$(quoted "$cni_version")" -DCNI_VERSIONS="$(quoted "$cni")" -o header ../../.ci/launcher.c)
rest=$((header_size - $(wc -c <"$work/header")))
[ "$rest" -ge 0 ] || fail "the launcher is longer than $header_size bytes"

{
  cat "$work/header"
  head -c "$rest" /dev/zero
  cat "$work/payload"
} >"$work/file"
chmod 755 "$work/file"
mv "$work/file" dist/k8contivnet
echo "dist/k8contivnet: $content, $(($(wc -c <dist/k8contivnet) / 1000000)) MB, glibc ${glibc#GLIBC_} or newer"
