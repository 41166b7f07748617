#!/bin/sh
# run.sh [ROUNDS]: measures the built file against its floors and its neighbour, in one interleaved run
# inside the lab. run.sh fabric [ROUNDS]: what crossing hosts costs. run.sh scale [ROUNDS]: what a large
# store and many hosts cost. run.sh policy [ROUNDS]: what policies cost, to compile, to packets, and from
# a label to the packet. Each writes its samples beside itself and its table into README.md. Needs root.
set -eu
cd "$(dirname "$0")/../.."
bench=bench
case ${1-} in fabric | scale | policy) bench=$1; shift ;; esac
[ -x dist/k8contivnet ] || { echo "run.sh: dist/k8contivnet is missing; run ./install.sh build" >&2; exit 1; }
tests/lab/in_lab.sh deno run -A "tests/bench/$bench.ts" "$@"
exec deno fmt -q README.md
