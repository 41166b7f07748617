#!/bin/bash
# busy.sh [whole|limits]: the tests on a machine that has other work; not part of CI, takes an hour or two.
#   whole   all tests once, beside two processes that use a processor each
#   limits  the twenty suites with the most waits and limits three times, beside four such processes
# Without a word: both. Prints how each run ended.
set -euo pipefail
cd "$(dirname "$(realpath "$0")")/.."

SUITES=20
ROUNDS=3
burners=()

stop_burners() {
  local pid
  for pid in "${burners[@]}"; do kill "$pid" 2>/dev/null || :; done
  burners=()
}

# Starts $1 processes that do nothing, without a pause.
start_burners() {
  local n
  for ((n = 0; n < $1; n++)); do
    sh -c 'while :; do :; done' &
    burners+=($!)
  done
}

# Prints the suites with the most waits and limits, the one with the most first.
suites_with_limits() {
  grep -cE 'waitFor|limitMs|LIMIT|patient\(|scaled\(|hangSignal|lostPings|becomes\(|FACTOR' \
    tests/contract/*_test.ts tests/root/*_test.ts |
    sort -t : -k 2,2 -rn -k 1,1 | sed -n "1,${SUITES}p" | cut -d : -f 1
}

results='' failed=0

# Runs install.sh's tests beside $1 burners; $2 names the run, the other words are suites.
run() {
  local code=0 start=$SECONDS count=$1 name=$2
  shift 2
  start_burners "$count"
  ./install.sh test "$@" || code=$?
  stop_burners
  [ "$code" = 0 ] || failed=1
  results+=$(printf '%-8s %5d s  %s, beside %d busy processes' \
    "$([ "$code" = 0 ] && echo passed || echo FAILED)" "$((SECONDS - start))" "$name" "$count")$'\n'
}

trap stop_burners EXIT
trap 'exit 130' INT TERM HUP
case ${1-both} in both | whole | limits) ;; *) sed -n '2,5s/^# //p' "$0" >&2; exit 2 ;; esac
[ "${1-both}" = limits ] || run 2 "all tests"
if [ "${1-both}" != whole ]; then
  mapfile -t suites < <(suites_with_limits)
  for ((round = 1; round <= ROUNDS; round++)); do
    run 4 "${#suites[@]} suites, round $round" "${suites[@]}"
  done
fi
printf '%s' "$results"
exit "$failed"
