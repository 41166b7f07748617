#!/bin/sh
# compile.sh [SECONDS]: builds dist/k8contivnet.elf with "deno compile". Its base runtime comes from
# DENORT_BIN, Deno's cache, or Deno's download site within SECONDS (default: 120).
set -eu
cd "$(dirname "$0")/.."
mkdir -p dist
work=$(mktemp -d dist/.compile.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

deno run -A .ci/bundle.ts "$work/app"
include=
[ ! -d "$work/app/proto" ] || include="--include $work/app/proto"
# Without a code cache, which would be a file with a guessable name in /tmp.
# shellcheck disable=SC2046,SC2086 # one word per flag
if ! timeout "${1:-120}" deno compile --quiet --no-check --no-lock --no-code-cache --no-prompt \
  $(sed '/^#/d' .ci/permissions) $include --output "$work/elf" "$work/app/main.js" \
  2>"$work/output" || [ ! -s "$work/elf" ]; then
  if grep -qiE 'base binary|denort|download|dns|timed out' "$work/output" || [ ! -s "$work/output" ]; then
    echo "compile: the base runtime is not available; set DENORT_BIN, or use \"deno task build\"" >&2
  else
    cat "$work/output" >&2
  fi
  exit 1
fi
chmod 755 "$work/elf"
mv "$work/elf" dist/k8contivnet.elf
