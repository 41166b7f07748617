#!/bin/sh
# run.sh [ROUNDS]: measures the built file against its floors and its neighbour, in one interleaved run
# inside the lab; writes tests/bench/samples.json and the table in README.md. Needs root.
set -eu
cd "$(dirname "$0")/../.."
[ -x dist/k8contivnet ] || { echo "run.sh: dist/k8contivnet is missing; run ./install.sh build" >&2; exit 1; }
tests/lab/in_lab.sh deno run -A tests/bench/bench.ts "$@"
exec deno fmt -q README.md
