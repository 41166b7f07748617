#!/bin/sh
# run.sh [ROUNDS]: measures the built file against its floors and its neighbour, in one interleaved run
# inside the lab. run.sh fabric [ROUNDS]: what crossing hosts costs. run.sh scale [ROUNDS]: what a large
# store and many hosts cost. Each writes its samples beside itself and its table into README.md. Needs root.
# run.sh policy [ROUNDS]: what policies cost, to compile and to packets; prints only.
set -eu
cd "$(dirname "$0")/../.."
bench=bench
case ${1-} in fabric | scale) bench=$1; shift ;; esac
[ -x dist/k8contivnet ] || { echo "run.sh: dist/k8contivnet is missing; run ./install.sh build" >&2; exit 1; }
if [ "${1-}" = policy ]; then
  shift
  deno run tests/bench/policy.ts "$@"
  exec tests/lab/in_lab.sh deno run -A tests/bench/policy_live.ts "$@"
fi
tests/lab/in_lab.sh deno run -A "tests/bench/$bench.ts" "$@"
exec deno fmt -q README.md
