#!/bin/sh
# run.sh [ROUNDS]: measures the built file against its floors and its neighbour, in one interleaved run
# inside the lab; writes tests/bench/samples.json and the table in README.md. Needs root.
# run.sh fabric [ROUNDS]: measures what crossing hosts costs; writes tests/bench/fabric_samples.json.
# run.sh scale [ROUNDS]: measures what a large store and many hosts cost; writes the table in README.md.
set -eu
cd "$(dirname "$0")/../.."
if [ "${1-}" = fabric ]; then
  shift
  exec tests/lab/in_lab.sh deno run -A tests/bench/fabric.ts "$@"
fi
[ -x dist/k8contivnet ] || { echo "run.sh: dist/k8contivnet is missing; run ./install.sh build" >&2; exit 1; }
bench=bench
[ "${1-}" != scale ] || { bench=scale; shift; }
tests/lab/in_lab.sh deno run -A "tests/bench/$bench.ts" "$@"
exec deno fmt -q README.md
