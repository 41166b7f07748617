#!/bin/bash
# Sets up k8contivnet for a trial, for its tests, or on a host. See "./install.sh -h".
set -euo pipefail
umask 022

DENO_VERSION=2.9.6
# Checksum of the executable in npm's @deno/linux-x64-glibc@2.9.6.
DENO_X64_SHA256=bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0

# Tools for .ci/build.sh, which compiles the launcher.
BUILD_TOOLS=(gcc:gcc musl-gcc:musl-tools)
TRY_TOOLS=(
  ovs-vswitchd:openvswitch-switch ip:iproute2 ethtool:ethtool ping:iputils-ping unshare:util-linux
  nft:nftables sysctl:procps
)
TEST_TOOLS=(
  etcd:etcd-server etcdctl:etcd-client dockerd:docker.io busybox:busybox-static
  /usr/lib/cni/bridge:containernetworking-plugins tcpdump:tcpdump jq:jq openssl:openssl
  containerd:containerd runc:runc iptables:iptables podman:podman dnsmasq:dnsmasq-base
  prometheus:prometheus mandoc:mandoc zsh:zsh fish:fish
  /lib/systemd/systemd:systemd
)
# Tools for tests/kube/build.sh, which builds Kubernetes once.
KUBE_TOOLS=(
  /usr/lib/go-1.19/bin/go:golang-1.19-go dpkg-source:dpkg-dev
  /usr/share/gocode/src/github.com/modern-go/reflect2:golang-github-modern-go-reflect2-dev
)
# What that script builds, in its order.
KUBE_NAMES=(kubectl kube-apiserver kube-scheduler kube-controller-manager kube-proxy kubelet)

usage() {
  cat <<'END'
usage: ./install.sh COMMAND

  try        build, then attach pods and ping between them, in namespaces of its own
               --kubernetes  two real nodes there, with this as their CNI plugin: a Deployment, a policy
  lab        build, then open a shell among many hosts in such namespaces; see "./install.sh lab --help"
  test       build, then run all tests in such namespaces; "./install.sh test tests/root/x_test.ts" runs some
  build      build dist/k8contivnet from this tree
  deb        build a Debian package of dist/k8contivnet into dist
  install    install dist/k8contivnet on this host: in the kubelet's plugin folder, with links on the PATH,
             completions for bash, zsh and fish, a man page, a systemd unit if systemd is there, and the
             agent's settings in /etc/k8contivnet/agent.json, which are kept once they are changed
               --etcd URL    the agents' store, such as etcd://10.0.0.5:2379,10.0.0.6:2379/prod
               --intent FILE copy it to /etc/k8contivnet; the agent applies it at each start
               --cni         install it as a CNI plugin, too: for containerd, CRI-O and podman; the
                             configuration only once the agent answers
               --only exec|cni|agent   file and links, and no more than the exec plugin, what --cni
                             adds, or unit and settings
               --dry-run     print what would be done, and do nothing
               --uninstall   remove what install created, and the cache; state and intent stay
               --purge       with --uninstall: remove these, too, and the bridges of Open vSwitch, if no
                             pod is attached
               --root DIR    install below DIR instead of /; no agent is asked there
  uninstall  the same as install --uninstall, with its options
  upgrade    replace the installed file and unit by these, and start the agent again; pods stay connected.
             If the new agent does not answer within 30 s, the old file comes back. --dry-run, --root DIR

try, lab, test and build install what is missing (Debian packages; Deno into .cache/) and say so first.
They use sudo only where root is needed.

examples:
  ./install.sh try
  ./install.sh lab --hosts 3 sh -c 'pod h1 myContainer1; k8contivnet get attachments'
  ./install.sh build && sudo ./install.sh install
  sudo ./install.sh install --cni --etcd etcd://10.0.0.5:2379/prod
  sudo ./install.sh upgrade
  sudo ./install.sh install --uninstall
  ./install.sh install --root /tmp/image --dry-run
END
}

say() { printf '%s\n' "install.sh: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "\"$1\" needs root, and there is no sudo; run this as root"
  fi
}

# ---- missing packages

# Takes TOOL:PACKAGE arguments and prints the packages of tools (commands or files) that are missing.
missing_packages() {
  local word
  for word in "$@"; do
    [ -e "${word%:*}" ] || command -v "${word%:*}" >/dev/null || printf '%s\n' "${word##*:}"
  done
}

# Takes TOOL:PACKAGE arguments and installs the packages of tools that are missing.
install_tools() {
  local packages
  mapfile -t packages < <(missing_packages "$@")
  [ "${#packages[@]}" -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "there is no apt-get; install these yourself (Debian package names): ${packages[*]}"
  say "installing Debian packages: ${packages[*]} (their services are not started)"
  install_packages "${packages[@]}"
}

# Installs packages without starting their services, which would change this machine's network.
install_packages() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    to_remove=$policy
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
  fi
  apt_install "$@" || { say "refreshing the package lists" && apt_update && apt_install "$@"; } ||
    fail "apt-get could not install $*; see above"
  clean_up
}

# Removes policy-rc.d if this script created it. Also runs when the script ends early.
clean_up() {
  [ -z "$to_remove" ] || as_root rm -f "$to_remove"
  to_remove=
}

# Stops background builds that still run. Each has a session of its own, so its children end, too.
stop_build() {
  local pid
  for pid in $kube_build $libcni_build; do kill -- "-$pid" 2>/dev/null || :; done
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" \
    </dev/null >"$log" 2>&1 || { grep -E '^(E|W):' "$log" >&2; return 1; }
}

apt_update() { as_root apt-get update -q </dev/null >"$log" 2>&1 || { tail -n 3 "$log" >&2; return 1; }; }

# ---- Deno

# Puts a Deno of the right version first on the PATH, and installs it if it is missing.
ensure_deno() {
  local bin=$PWD/.cache/deno/bin
  if is_deno "$(command -v deno || :)"; then return; fi
  if ! is_deno "$bin/deno"; then
    mkdir -p "$bin"
    deno_from_npm || deno_from_release || deno_from_apt ||
      fail "Deno $DENO_VERSION could not be installed; put it on the PATH and run this again"
    is_deno "$bin/deno" || fail "the installed Deno $DENO_VERSION does not run on this machine"
  fi
  PATH=$bin:$PATH
}

is_deno() { [ -n "$1" ] && [[ $("$1" --version 2>/dev/null) == "deno ${DENO_VERSION%.*}."* ]]; }

deno_from_npm() {
  command -v npm >/dev/null || return 1
  local arch=x64 file
  [ "$(uname -m)" != aarch64 ] || arch=arm64
  say "installing Deno $DENO_VERSION from npm into .cache/deno"
  npm install --prefix .cache/deno --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    --loglevel=error "@deno/linux-$arch-glibc@$DENO_VERSION" </dev/null >"$log" 2>&1 ||
    { tail -n 3 "$log" >&2; return 1; }
  file=.cache/deno/node_modules/@deno/linux-$arch-glibc/deno
  [ "$arch" = arm64 ] || echo "$DENO_X64_SHA256  $file" | sha256sum --check --quiet >&2 || return 1
  chmod 755 "$file"
  ln -sfn "../../../$file" .cache/deno/bin/deno
}

# Downloads Deno's own release and checks it against the checksum published beside it.
deno_from_release() {
  local name url
  name=deno-$(uname -m)-unknown-linux-gnu.zip
  url=https://github.com/denoland/deno/releases/download/v$DENO_VERSION/$name
  if ! command -v curl >/dev/null || ! command -v unzip >/dev/null; then
    command -v apt-get >/dev/null || return 1
    install_tools curl:curl unzip:unzip /etc/ssl/certs/ca-certificates.crt:ca-certificates
  fi
  say "downloading Deno $DENO_VERSION from its release into .cache/deno"
  curl -fsSL --connect-timeout 10 --max-time 600 -o ".cache/deno/$name" "$url" \
    -o ".cache/deno/$name.sha256sum" "$url.sha256sum" || return 1
  local sum
  sum=$(grep -oiE '[0-9a-f]{64}' ".cache/deno/$name.sha256sum" | head -n 1)
  echo "${sum,,}  .cache/deno/$name" | sha256sum --check --quiet >&2 || return 1
  unzip -qo ".cache/deno/$name" -d .cache/deno/bin
  rm -f ".cache/deno/$name" ".cache/deno/$name.sha256sum"
}

deno_from_apt() {
  command -v apt-get >/dev/null || return 1
  install_tools npm:npm /etc/ssl/certs/ca-certificates.crt:ca-certificates
  deno_from_npm
}

# ---- build, try, test

build() {
  install_tools "${BUILD_TOOLS[@]}" >&2
  ensure_deno
  sh .ci/build.sh
}

# Runs a command in the lab as root, with this user's Deno and its cache. In the lab, this folder is
# mounted at /run/house, so that a test can run as a user who may not enter root's home. The built file
# unpacks into the lab's own /run, so nothing of it stays on the machine. In a lab within a lab, the new
# /run hides this folder's path; so mount gets it as ".", the working directory.
in_lab() {
  [ -c /dev/net/tun ] || fail "no /dev/net/tun, which Open vSwitch needs; try \"modprobe tun\""
  local cache=${DENO_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/deno} code=0
  as_root env "PATH=${PATH//"$PWD"//run/house}" "DENO_DIR=$cache" K8CONTIVNET_REQUIRE=1 \
    "K8CONTIVNET_KUBE=${K8CONTIVNET_KUBE-}" "K8CONTIVNET_TEST_FACTOR=${K8CONTIVNET_TEST_FACTOR-}" \
    "K8CONTIVNET_TEST_PORTS=${K8CONTIVNET_TEST_PORTS-}" \
    K8CONTIVNET_CACHE=/run/k8contivnet-cache NO_COLOR="${NO_COLOR-}" tests/lab/in_lab.sh sh -ec \
    'mkdir /run/house; mount --no-canonicalize --bind . /run/house; cd /run/house; exec "$@"' \
    sh "$@" || code=$?
  [ "$(id -u)" = 0 ] || sudo chown -R --from=0 "$(id -u):$(id -g)" "$cache"
  return "$code"
}

try() {
  case "${1-}" in
    '') ;;
    --kubernetes) try_kubernetes; return ;;
    *) fail "unknown argument \"$1\"; see \"./install.sh -h\"" ;;
  esac
  install_tools "${TRY_TOOLS[@]}"
  build
  deno cache --quiet tests/lab/try.ts
  in_lab deno run -A --no-check tests/lab/try.ts dist/k8contivnet
}

# What it fetches and how long that takes is said before.
try_kubernetes() {
  local name missing=''
  export K8CONTIVNET_KUBE=${K8CONTIVNET_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/k8contivnet/kube}
  for name in "${KUBE_NAMES[@]}"; do [ -x "$K8CONTIVNET_KUBE/$name" ] || missing+=" $name"; done
  if [ -n "$missing" ]; then
    say "building$missing once into $K8CONTIVNET_KUBE: from Debian's source, in some 15 minutes of a processor and, temporarily, 3 GB"
    install_tools "${KUBE_TOOLS[@]}"
    nice tests/kube/build.sh "${KUBE_NAMES[@]}" >/dev/null
  fi
  say "Kubernetes is here; the trial takes about a minute"
  install_tools "${TRY_TOOLS[@]}" "${TEST_TOOLS[@]}"
  build
  deno cache --quiet tests/node/lab/try_kubernetes.ts
  in_lab deno run -A --no-check tests/node/lab/try_kubernetes.ts
}

# Its standard output is only that of the command that runs among the hosts.
lab() {
  install_tools "${TRY_TOOLS[@]}" "${TEST_TOOLS[@]}" >&2
  build >&2
  deno cache --quiet tests/lab/lab.ts
  in_lab sh -c 'mkdir /run/tmp; TMPDIR=/run/tmp exec deno run -A --no-check tests/lab/lab.ts "$@"' \
    lab "$@"
}

# ---- test

passed=0 failed=0 broken=''
results='' # a folder for what tests print, and for the times of their suites

# Runs one group of suites, prints what it prints, and leaves its log, its times and its end in folder $1
# below "results". Unit tests need no lab; those of them that can be long are so in the whole run.
run_group() {
  local code=0 folder=$results/$1
  local -a runner=(in_lab deno test -A --no-check)
  shift
  mkdir "$folder"
  echo "$*" >"$folder/suites"
  if [ "$*" = tests/unit ]; then
    runner=(env K8CONTIVNET_LONG=1 deno test --allow-env=K8CONTIVNET_LONG)
  fi
  NO_COLOR=1 "${runner[@]}" "--junit-path=$folder/times.xml" "$@" </dev/null 2>&1 |
    tee "$folder/log" || code=$?
  echo "$code" >"$folder/end"
}

# Adds up how the group in folder $1 ended.
add_up() {
  local line code=1 folder=$results/$1
  [ ! -s "$folder/end" ] || read -r code <"$folder/end"
  line=$(grep -aE '^(ok|FAILED) \| [0-9]+ passed' "$folder/log" | tail -n 1 || :)
  if [[ $line =~ ([0-9]+)\ passed.*\|\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    [ "$code" = 0 ] || [ "${BASH_REMATCH[2]}" != 0 ] || failed=$((failed + 1))
  else
    failed=$((failed + 1)) # it did not even begin
  fi
  [ "$code" = 0 ] ||
    broken+=$(grep -aE '=> \./tests/' "$folder/log" | sort -u ||
      echo "$(cat "$folder/suites"), which did not run")$'\n'
}

# Prints the ten slowest suites, a file each, with their seconds. Steps of a test are in its own time.
slowest() {
  find "$results" -name times.xml -exec cat {} + | awk -F '"' '
    /<testsuite / { suite = $2; sub(/^\.\//, "", suite); delete seen }
    /<testcase / {
      parent = $2
      sub(/ &gt; .*/, "", parent)
      if (parent != $2 && parent in seen) next
      seen[$2]
      seconds[suite] += $6
    }
    END { for (suite in seconds) printf "%6.1f s  %s\n", seconds[suite], suite }' | sort -rn | sed -n 1,10p # head would end sort, and so this script, by a signal
}

# Measures how slow this machine is: 1 where a piece of work, mostly starts of processes, takes no longer
# than on the one on which the limits of tests were chosen. The best of three: a moment's load is no pace.
measure_factor() {
  local n sum=0 start ms best=1000000
  for _ in 1 2 3; do
    start=${EPOCHREALTIME/[.,]/}
    for ((n = 0; n < 100; n++)); do /bin/true; sh -c :; done
    for ((n = 0; n < 200000; n++)); do sum=$((sum + n % 7)); done
    ms=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
    [ "$ms" -ge "$best" ] || best=$ms
  done
  n=$((best * 10 / REFERENCE_MS))
  [ "$n" -ge 10 ] || n=10
  echo "$((n / 10)).$((n % 10))"
}
REFERENCE_MS=600

# ---- suites side by side. Each of them waits for its servers much of the time: with two at once two
# processors are idle for two fifths of it, with three hardly ever. Limits are generous, and a packet that
# is late is not lost; so only those run alone, behind the others, that compare times or the first
# packet's way with what it is on a quiet machine.

LANES=3
ALONE='promise|reach_promise|switch_restart|revalidator_wait|kube_scale'
# These take a minute or more each: they begin first, the longest before the others.
LONG='soak fault_steps cni_fault_steps outside_faults crash mutation kubelet scenarios reconcile cluster_restart'
TOGETHER=4
# Those come last that wait for the API server, which is being built meanwhile.
LAST='kube_[a-z_]+|kubernetes'

# Prints the chosen suites, or those of tests/contract, tests/root and tests/node; those in folders below
# run only by name.
suites() {
  if [ "${#chosen[@]}" != 0 ]; then
    printf '%s\n' "${chosen[@]}"
  else
    find tests/contract tests/root tests/node -maxdepth 1 -name '*_test.ts' | sort
  fi
}
chosen=()

# Prints those that run side by side, a group a line, in the order in which they begin.
groups_of_suites() {
  local long=${LONG// /|} name
  [ "${#chosen[@]}" != 0 ] || echo tests/unit
  for name in $LONG; do suites | grep -E "/${name}_test\.ts" || :; done
  suites | grep -vE "/($long|$ALONE|$LAST)_test\.ts" | xargs -r -n "$TOGETHER" || :
  suites | grep -vE "/($ALONE)_test\.ts" | grep -E "/($LAST)_test\.ts" | xargs -r -n 2 || :
}

# Prints those that run alone.
suites_alone() { suites | grep -E "/($ALONE)_test\.ts" || :; }

# Takes groups from the list until none is left.
lane() {
  local n=0 suites
  while read -r suites; do
    n=$((n + 1))
    mkdir "$results/taken.$n" 2>/dev/null || continue
    # shellcheck disable=SC2086 # one argument per suite
    run_group "$n" $suites >/dev/null
    flock "$results/lock" cat "$results/$n/log"
  done <"$results/groups"
}

run_lanes() {
  local n
  groups_of_suites >"$results/groups"
  set -m # a group of processes for each lane, so that it can be ended whole
  for ((n = 0; n < LANES; n++)); do
    lane &
    lane_pids+=($!)
  done
  set +m
  wait "${lane_pids[@]}" || :
  lane_pids=()
  for ((n = 1; n <= $(wc -l <"$results/groups"); n++)); do add_up "$n"; done
}

# Ends lanes that are still under way.
stop_lanes() {
  local pid
  for pid in "${lane_pids[@]}"; do kill -- "-$pid" 2>/dev/null || :; done
  [ -z "$results" ] || rm -rf "$results"
}

# Starts the build of what tests of Kubernetes want and wait for: in the background, as it takes some
# minutes, and at low priority. Executables that suites wait for first come first; see tests/kube/build.sh.
start_kube_build() {
  local name names=("${KUBE_NAMES[@]:0:2}") missing=''
  [ $# -gt 0 ] || set -- tests/contract tests/root tests/node
  if grep -rqs -F kube_nodes.ts -- "$@"; then
    names=("${KUBE_NAMES[@]}")
  elif ! grep -rqs -F lab/kube.ts -- "$@"; then
    return 0
  fi
  for name in "${names[@]}"; do [ -x "$K8CONTIVNET_KUBE/$name" ] || missing+=" $name"; done
  [ -n "$missing" ] || return 0
  install_tools "${KUBE_TOOLS[@]}"
  say "building$missing from Debian's source in the background, once, into $K8CONTIVNET_KUBE (progress: build.log there)"
  mkdir -p "$K8CONTIVNET_KUBE"
  setsid nice tests/kube/build.sh "${names[@]}" >/dev/null 2>"$K8CONTIVNET_KUBE/build.log" </dev/null &
  kube_build=$!
}

# Starts the build of cnitool and other programs with libcni for suites that wait for them, which are not in
# the whole run, as they need a later release of Debian; see tests/kube/libcni.sh. It takes a minute at most.
start_libcni_build() {
  [ $# -gt 0 ] || return 0
  if ! grep -rqs -F lab/libcni.ts -- "$@" || tests/kube/libcni.sh --wait >/dev/null 2>&1; then return 0; fi
  install_tools "${KUBE_TOOLS[@]}"
  say "building cnitool from Debian's source in the background, once, into $K8CONTIVNET_KUBE (progress: libcni.log there)"
  mkdir -p "$K8CONTIVNET_KUBE"
  setsid nice tests/kube/libcni.sh >/dev/null 2>"$K8CONTIVNET_KUBE/libcni.log" </dev/null &
  libcni_build=$!
}

# Fetches the containerds of other Debian releases, for suites that are about them.
fetch_containerds() {
  if [ $# -gt 0 ] && grep -rqs -F 'otherContainerd(' -- "$@"; then
    tests/kube/containerd.sh trixie sid >/dev/null
  fi
}

# Installs what only suites of packages need.
install_lintian() {
  if [ $# -gt 0 ] && grep -rqs -F '"lintian"' -- "$@"; then install_tools lintian:lintian; fi
}

run_tests() {
  local suites
  install_tools "${TRY_TOOLS[@]}" "${TEST_TOOLS[@]}"
  export K8CONTIVNET_KUBE=${K8CONTIVNET_KUBE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/k8contivnet/kube}
  install_lintian "$@"
  start_libcni_build "$@"
  start_kube_build "$@"
  fetch_containerds "$@"
  ensure_deno
  : "${K8CONTIVNET_TEST_FACTOR:=$(measure_factor)}"
  say "limits of tests are multiplied by $K8CONTIVNET_TEST_FACTOR, as slow is this machine now"
  mkdir -p dist
  results=$(mktemp -d dist/.results.XXXXXX) # in the lab, too, it is here
  if sh .ci/build.sh; then
    # The lab has no network: what the tests import is fetched here.
    find tests .ci -name '*.ts' -exec deno cache --quiet main.ts {} + ||
      say "not all that the tests import can be loaded"
    suites=("$@")
    # A few run in one process, which shows what they print at once.
    if [ $# = 0 ] || [ $# -gt "$TOGETHER" ]; then
      chosen=("$@")
      run_lanes
      mapfile -t suites < <(suites_alone)
    fi
    if [ "${#suites[@]}" != 0 ]; then
      run_group alone "${suites[@]}"
      add_up alone
    fi
  else
    say "there is no file to test, as it cannot be built"
    failed=$((failed + 1))
    if [ $# = 0 ]; then
      run_group unit tests/unit
      add_up unit
    fi
  fi
  echo "the slowest suites:"
  slowest
  [ -z "$broken" ] || printf 'what failed:\n%s' "$broken"
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

main() {
  local command=${1-}
  [ $# -eq 0 ] || shift
  [ "$command" = lab ] || case " $* " in *" -h "* | *" --help "*) command=-h ;; esac
  case $command in
    try) try "$@" ;;
    lab) lab "$@" ;;
    test) run_tests "$@" ;;
    build) build ;;
    deb) .ci/deb.sh ;;
    install | upgrade)
      # shellcheck source=.ci/install_host.sh
      . .ci/install_host.sh
      unfinished="; what it had begun is undone, or completed when you run it again"
      "${command}_command" "$@"
      ;;
    uninstall | --uninstall)
      # shellcheck source=.ci/install_host.sh
      . .ci/install_host.sh
      unfinished="; run it again to complete it"
      install_command --uninstall "$@"
      ;;
    -h | --help | help) usage ;;
    '') usage >&2; exit 2 ;;
    *) say "unknown command \"$command\""; usage >&2; exit 2 ;;
  esac
}

given=$PWD
cd "$(dirname "$(realpath "$0")")"
PATH=$PATH:/usr/sbin:/sbin
log=$(mktemp "${TMPDIR:-/tmp}/k8contivnet-install.XXXXXX")
to_remove=
to_delete=
kube_build=
libcni_build=
lane_pids=()
undo_upgrade=:
trap '$undo_upgrade; clean_up; stop_lanes; stop_build; rm -f "$log"; [ -z "$to_delete" ] || rm -rf "$to_delete"' EXIT
unfinished=
trap 'echo "install.sh: interrupted$unfinished" >&2; exit 130' INT TERM HUP
main "$@"
