#!/bin/sh
# run.sh [ROUNDS]: compares the built file with an empty script and a reference CNI plugin, inside the lab.
# run.sh against FILE [ROUNDS]: compares it with another build, such as the last release's file.
# run.sh neighbours FILE [ROUNDS]: compares it with the bridge plugin and with ovs-cni, whose executable is FILE.
# run.sh boot|envelope|fabric|scale|policy|ports|promise|reach|node [ROUNDS]: measures 250 pods that come before the
# agent; one agent in a cluster of 5,000 hosts; traffic between hosts; a large store and many hosts; policies; plain and
# warm ports; first pings; ways beyond a pod's network; or pods on a real node. Each writes its samples beside itself and its tables into RESULTS.md.
# Needs root; policy and node need the executables of tests/kube/build.sh.
set -eu
cd "$(dirname "$0")/../.."
bench=bench
case ${1-} in
  against | neighbours | boot | envelope | fabric | scale | policy | ports | promise | reach | node) bench=$1; shift ;;
esac
[ -x dist/k8contivnet ] || { echo "run.sh: dist/k8contivnet is missing; run ./install.sh build" >&2; exit 1; }
tests/lab/in_lab.sh deno run -A "tests/bench/$bench.ts" "$@"
exec deno fmt -q tests/bench/RESULTS.md
