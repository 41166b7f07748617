#!/bin/sh
# build.sh: makes dist/k8contivnet, the one file to drop: a shell header and, compressed, the program.
# The program is what "deno compile" makes, where its base runtime can be had, else Deno itself with
# the bundle. K8CONTIVNET_FORM=elf or deno insists on one. Same sources and tools, same bytes.
set -eu
cd "$(dirname "$0")/.."
header_size=16384

fail() {
  echo "build: $1" >&2
  exit 1
}

mkdir -p dist
work=$(mktemp -d "$PWD/dist/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
stage=$work/stage
mkdir "$stage"

# Not $(command -v deno): that may be npm's wrapper, a script.
# shellcheck disable=SC2046 -- three words
set -- $(deno eval --quiet 'import c from "./deno.json" with { type: "json" };
  console.log(Deno.execPath(), Deno.build.arch, c.version)')
deno=$1 machine=$2 version=$3
[ "$(head -c 4 "$deno" | tail -c 3)" = ELF ] || fail "$deno is no executable of Linux"
permissions=$(sed '/^#/d' .ci/permissions | tr '\n' ' ')
flags="--cached-only --no-check --no-config --no-lock --no-npm --no-remote --no-prompt --quiet"

# Succeeds when the compiled form exists and says the same as the bundle.
elf_works() {
  [ "${K8CONTIVNET_FORM-}" != deno ] || return 1
  rm -f dist/k8contivnet.elf
  sh .ci/compile.sh 60 2>"$work/words" || return 1
  # shellcheck disable=SC2086 -- one word per flag
  want=$(DENO_DIR=$work/run "$deno" run $flags $permissions "$work/app/main.js" help </dev/null) &&
    said=$(env -i PATH="$PATH" timeout 20 dist/k8contivnet.elf help </dev/null 2>&1) || return 1
  [ "$said" = "$want" ]
}

deno run -A .ci/bundle.ts "$work/app"
if elf_works; then
  content="the executable of deno compile"
  cp dist/k8contivnet.elf "$stage/k8contivnet"
  probe="k8contivnet help" files=k8contivnet
  become='exec "$k8c_dir/k8contivnet"'
else
  [ "${K8CONTIVNET_FORM-}" != elf ] || fail "the compiled form cannot be made: $(cat "$work/words")"
  content="Deno and the program"
  cp "$deno" "$stage/deno"
  mv "$work/app" "$stage/app"
  probe="deno --version" files="deno app app/main.js"
  become="exec \"\$k8c_dir/deno\" run $flags $permissions\"\$k8c_dir/app/main.js\""
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
  .ci/launcher.sh >"$work/header"
! grep -n '@[A-Z]*@' "$work/header" || fail "the header has words left to fill in"
rest=$((header_size - $(wc -c <"$work/header")))
[ "$rest" -ge 0 ] || fail "the header is longer than $header_size bytes"

{
  cat "$work/header"
  head -c "$rest" /dev/zero | tr '\0' '\n'
  cat "$work/payload"
} >"$work/file"
chmod 755 "$work/file"
mv "$work/file" dist/k8contivnet
echo "dist/k8contivnet: $content, $(($(wc -c <dist/k8contivnet) / 1000000)) MB, glibc ${glibc#GLIBC_} or newer"
