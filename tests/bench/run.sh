#!/bin/sh
# run.sh [ROUNDS]: measures the built file against its floors and its neighbour, in one interleaved run
# inside the lab; writes tests/bench/samples.json and the table in README.md. Needs root.
# run.sh fabric [ROUNDS]: measures what crossing hosts costs; writes tests/bench/fabric_samples.json.
# run.sh policy [ROUNDS]: measures what policies cost, to compile and to packets; prints only.
set -eu
cd "$(dirname "$0")/../.."
if [ "${1-}" = fabric ]; then
  shift
  exec tests/lab/in_lab.sh deno run -A tests/bench/fabric.ts "$@"
fi
[ -x dist/k8contivnet ] || { echo "run.sh: dist/k8contivnet is missing; run ./install.sh build" >&2; exit 1; }
if [ "${1-}" = policy ]; then
  shift
  deno run tests/bench/policy.ts "$@"
  exec tests/lab/in_lab.sh deno run -A tests/bench/policy_live.ts "$@"
fi
tests/lab/in_lab.sh deno run -A tests/bench/bench.ts "$@"
exec deno fmt -q README.md
