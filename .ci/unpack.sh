#!/usr/bin/env -S PWD=/proc/self/cwd /bin/sh
# k8contivnet @VERSION@, one file: this launcher and, compressed, @CONTENT@.
# The launcher unpacks it once into a cache folder named by its checksum, and then executes it. A pod's
# setup takes the warm path: only shell built-ins and one exec, no fork. It runs on dash, bash and
# busybox ash, also with an empty environment. Its variables start with k8c_, to not replace the caller's.
#
# Why env: dash and bash ask for the path of the working folder before they read a line of this file, and
# if the folder was deleted, they complain on standard error. A kubelet reads that together with the JSON
# of a "status", and drops the pod's address. A PWD that leads to the working folder is taken as its path,
# and this one always does. It costs about 0.8 ms per call.
#
# shellcheck shell=sh disable=SC1091,SC2034,SC2043,SC2094,SC3013 # .ci/build.sh replaces the words between @; FIFOs are read and
# written; dash, bash and busybox ash have -ef

k8c_key=@KEY@

# podman asks each plugin for its versions at each command.
if [ "${CNI_COMMAND-}" = VERSION ]; then
  printf '%s\n' '@CNI@'
  exit
fi

# Prints message $1 and exits with code $2. A CNI runtime reads errors as JSON, from standard output; runtimes
# ask for STATUS every few seconds and log standard error.
k8c_fail() {
  [ "${CNI_COMMAND-}" = STATUS ] || printf 'k8contivnet: %s\n' "$1" >&2
  [ -n "${CNI_COMMAND-}" ] || exit "$2"
  k8c_rest=$1
  k8c_text=
  while :; do
    case $k8c_rest in *[\"\\[:cntrl:]]*) ;; *) break ;; esac
    k8c_text="$k8c_text${k8c_rest%%[\"\\[:cntrl:]]*}'"
    k8c_rest=${k8c_rest#*[\"\\[:cntrl:]]}
  done
  printf '{"cniVersion":"%s","code":5,"msg":"%s"}\n' @CNIVERSION@ "$k8c_text$k8c_rest" >&"$k8c_out"
  [ "$k8c_out" = 1 ] && exit 1
  exit 76
}
k8c_out=1

k8c_refuse() { k8c_fail "$1" 1; }

# Succeeds if cache folder $1 has the program and only this user can have put it there: each folder and
# file is owned by this user. Modes are checked when the cache is filled, not here. A file that this user
# made with mode 0700 below a 0700 folder can be opened to others only by this user; and what others add
# to a folder that was opened later is owned by them, so it is refused here.
k8c_warm() {
  [ -O "$1" ] && [ ! -h "$1" ] && [ -O "$1/$k8c_key" ] || return 1
  for k8c_file in @FILES@; do
    [ -O "$1/$k8c_key/$k8c_file" ] || return 1
  done
}

# Executes the program of cache folder $1 with the remaining arguments.
k8c_exec() {
  k8c_dir=$1/$k8c_key
  shift
  # Here no file of the caller can be, so a relative path still leads nowhere instead of somewhere else.
  [ -z "$k8c_lost" ] || cd "$k8c_dir" || :
  unset K8CONTIVNET_AGAIN
  k8c_more=
  # A shell cannot pass its $0 on as argv[0]; the program chooses its face by this name.
  export K8CONTIVNET_ARGV0="$0" K8CONTIVNET_BUILD="$k8c_key" K8CONTIVNET_GLIBC=@GLIBC@
  export DENO_DIR="$k8c_dir/run" DENO_NO_UPDATE_CHECK=1 DENO_NO_PACKAGE_JSON=1
  export DENO_DISABLE_NODE_SHIM=1
  case ${0##*/},${1-} in
    netplugin,* | *,netplugin)
      # The agent is long-lived: a small heap, few malloc arenas, and no code cache, which would take 2 MB of its
      # memory and save 20 ms of its start (Deno 2.9.6).
      k8c_more=--no-code-cache
      export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX-2}"
      export DENO_V8_FLAGS="${DENO_V8_FLAGS---optimize-for-size,--max-semi-space-size=2,--expose-gc}"
      ;;
  esac
  # At its start, Deno resolves the commands that it may run, and fails without a PATH.
  export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
  @BECOME@ "$@"
}

# ---- door: the launcher sends a kubelet's request to the running agent itself, without a JavaScript
# ---- engine, in a third of the time. If that has no answer, the exec or CNI face sends the same request.

# Succeeds if the agent that opened door $1 runs: the door has its process id and start time. From another
# process namespace the agent is not seen: there the exec or CNI face asks by the socket.
# shellcheck disable=SC2086 # the fields of stat: each must be an argument
k8c_is_open() {
  [ -O "$1" ] && [ ! -h "$1" ] && [ -r "$1/agent" ] && [ -p "$1/ask" ] || return 1
  { read -r k8c_pid k8c_since <"$1/agent" && read -r k8c_stat <"/proc/$k8c_pid/stat"; } 2>/dev/null &&
    k8c_is_since "$k8c_since" ${k8c_stat##*")"}
}

# Compares $1 with field 22 of proc(5)'s stat. $2 and the rest are its fields from the third on.
k8c_is_since() { [ "$1" = "${21-}" ]; }

# Succeeds if $1 to $4 are a kubelet's request without special characters.
k8c_is_plain() {
  [ $# = 4 ] && [ ${#2} -lt 254 ] && [ ${#3} -lt 254 ] && [ ${#4} -lt 65 ] || return 1
  case $1 in setup | teardown | status) ;; *) return 1 ;; esac
  case $2$3$4 in *[!A-Za-z0-9._-]*) return 1 ;; esac
  case $2,$3,$4 in ,* | *,,* | *,) return 1 ;; esac
}

# Takes a FIFO for the answer in door $1: sets k8c_fifo to its path and k8c_reply to its number. The agent creates FIFOs
# ahead, free.NUMBER; who creates the file NUMBER has taken one, without starting a command. Fails if there is none.
k8c_take() {
  set -C
  for k8c_fifo in "$1"/free.*; do
    k8c_reply=${k8c_fifo##*.}
    [ -p "$k8c_fifo" ] && { printf '' >"$1/$k8c_reply"; } 2>/dev/null && [ -p "$k8c_fifo" ] && break
    k8c_fifo=
  done
  set +C
  [ -z "$k8c_fifo" ] || return 0
  k8c_reply=$$
  k8c_fifo=$1/$$
  mkfifo -m 600 "$k8c_fifo" 2>/dev/null
}

# Limits the wait for an answer to $1 seconds. The answer comes through a FIFO which this shell opens for
# reading and writing, so neither side ever blocks in open(2). Then this sleep is its only writer: when it
# ends, reading ends. It keeps none of the caller's streams open. It is started after the request, which the
# agent works on meanwhile.
k8c_clock() { exec </dev/null >&9 2>/dev/null 7<&- 8<&- 9>&- && exec sleep "$1"; }

# Prints an answer: the agent sends it as one line for the shell, which ends with "return". dash and busybox ash read that
# line at once, "read" byte by byte; bash would wait for what follows it. Opened for both, the FIFO never ends meanwhile.
k8c_print() {
  if [ -n "${BASH_VERSION-}" ]; then
    IFS= read -r k8c_words <&7
    eval "$k8c_words"
  else
    . /proc/self/fd/7
  fi 9<>/proc/self/fd/7
}

# Sends request $3 to door $1 and waits $2 seconds for the answer. Sets k8c_answer, empty if there is none; k8c_words
# to the second line of a CNI error; and k8c_sent if the agent may have the request: "yes" if it still ran after that.
k8c_ask() {
  k8c_answer=
  k8c_sent=
  k8c_take "$1" || return 0
  {
    # An agent that has started or stopped meanwhile has removed the FIFO.
    if [ -p "$k8c_fifo" ] && printf '%s\n' "$3 $k8c_reply" 6<>"$1/ask" >&6; then
      k8c_sent=maybe
      if k8c_is_open "$1"; then
        k8c_sent=yes
        k8c_clock "$2" &
        exec 9>&-
        IFS= read -r k8c_answer <&7
        case ${3%% *},$k8c_answer in
          cni,1*) IFS= read -r k8c_words <&7 ;;
          "cni,0 print") k8c_print || k8c_answer=unread ;;
        esac
        [ -z "$k8c_answer" ] || { kill -9 $! && wait $!; } 2>/dev/null
      fi
    fi
    # From here on the agent does nothing for it. If it answered just after waiting ended, the answer is there.
    if [ -z "$k8c_answer" ]; then
      exec 9>&-
      rm -f "$k8c_fifo" "$1/$k8c_reply"
      IFS= read -r k8c_answer <&7
    fi
  } 9<>"$k8c_fifo" 7<"$k8c_fifo" || :
}

# Sends the request of a kubelet to door $1, waits $2 seconds, and exits with the answer; returns if there is none.
k8c_pod_ask() {
  k8c_ask "$1" "$2" "$3 $4 $5 $6"
  # A teardown without an answer continues below, to leave a note for the agent.
  case $k8c_answer,$k8c_sent,$3 in
    ,yes,setup) k8c_answer="6 agent at ${1%.door} did not answer in ${2}000 ms; check its log, and whether Open vSwitch is running" ;;
    ,yes,status) exit 0 ;;
  esac
  case $k8c_answer in
    "0 "*) printf %s "${k8c_answer#* }" && exit 0 ;;
    [1-6]" "*) k8c_fail "${k8c_answer#* }" "${k8c_answer%% *}" ;;
  esac
}

# ---- the same for CNI. The line has only the number of this process: the agent reads variables and configuration
# ---- itself, from /proc/NUMBER/environ and /proc/NUMBER/fd/8, in less time than a command starts, and leaves the
# ---- configuration there.

# Sends the CNI call to door $1, waits $2 seconds, and exits with the answer; returns if there is none.
k8c_cni_ask() {
  { { :; } 8<&0; } 2>/dev/null || return 0
  # In a process namespace of its own, this process has another number in the /proc that shows the agent.
  k8c_self=$$
  [ /proc/self/ -ef "/proc/$$/" ] || read -r k8c_self _ </proc/self/stat || return 0
  # Not file 0: while a built-in reads from another file, that one is file 0. Once it is closed, the agent
  # treats this launcher as gone.
  exec 8<&0
  k8c_ask "$1" "$2" "cni $k8c_self"
  case $k8c_answer in
    "0 " | "0 print") exit 0 ;;
    unread) exit 1 ;;
    [01]" "*)
      case $k8c_answer in
        ??file) cat "$1/$k8c_reply.out" && rm -f "$1/$k8c_reply.out" ;;
        *) printf '%s\n' "${k8c_answer#* }" ;;
      esac || exit 1 # nobody reads it
      [ "${k8c_answer%% *}" = 0 ] && exit 0
      [ "$CNI_COMMAND" = STATUS ] || printf 'k8contivnet: %s\n' "$k8c_words" >&2
      exit 1
      ;;
    again) ;;
    *) [ -z "$k8c_sent" ] || export K8CONTIVNET_RETRY=1 ;; # it may have been executed
  esac
  exec 8<&-
}

k8c_door=${K8CONTIVNET_SOCKET:-/run/k8contivnet/agent.sock}.door

# Succeeds if the door is open, or opens within $1 seconds: there is neither a door nor a socket, and the last agent of
# this node had this socket, as when a node boots and all its pods come before the agent. Who waits here takes 0.5 MB;
# the program would take 15 MB, and to start, a quarter of a second of a processor, which the agent needs. For that,
# K8CONTIVNET_WAITED says for how many seconds this shell has waited.
k8c_opens() {
  k8c_is_open "$k8c_door" && return
  k8c_last=
  { read -r k8c_last <"${K8CONTIVNET_STATE_DIR:-/var/lib/k8contivnet}/socket"; } 2>/dev/null
  [ "$k8c_last.door" = "$k8c_door" ] && [ ! -e "$k8c_last" ] || return
  k8c_rest=$1
  k8c_seen=
  until [ -e "$k8c_door/agent" ] || [ "$k8c_rest" -le 0 ]; do
    # An agent opens its door right after its socket, if it can.
    [ -z "$k8c_seen" ] || return
    [ ! -e "$k8c_last" ] || k8c_seen=yes
    sleep 1 </dev/null >/dev/null 2>&1 || return
    k8c_rest=$((k8c_rest - 1))
    export K8CONTIVNET_WAITED="$(($1 - k8c_rest))"
  done
  k8c_is_open "$k8c_door"
}

# Succeeds if $1 is a number of seconds that this shell can count.
k8c_is_number() { case $1 in *[!0-9]* | 0* | ?????*) return 1 ;; esac; }

unset K8CONTIVNET_RETRY K8CONTIVNET_WAITED
if [ "${K8CONTIVNET_DOOR-}" = none ]; then
  :
elif [ -n "${CNI_COMMAND-}" ]; then
  k8c_limit=${K8CONTIVNET_SETUP_SECONDS:-20}
  k8c_is_number "$k8c_limit" || k8c_limit=1
  case $CNI_COMMAND in
    STATUS) k8c_opens 0 && k8c_cni_ask "$k8c_door" 15 ;;
    ADD) k8c_opens "$((k8c_limit - 1))" && k8c_cni_ask "$k8c_door" 30 ;;
    DEL | CHECK | GC) k8c_opens 4 && k8c_cni_ask "$k8c_door" 30 ;;
  esac
elif k8c_is_plain "$@"; then
  k8c_limit=${K8CONTIVNET_SETUP_SECONDS:-60}
  case $1 in
    status) k8c_opens 0 && k8c_pod_ask "$k8c_door" 5 "$@" ;;
    teardown) k8c_opens 4 && k8c_pod_ask "$k8c_door" 5 "$@" ;;
    setup)
      # What is not a plain number is left to the exec face.
      k8c_is_number "$k8c_limit" && k8c_opens "$((k8c_limit - 1))" &&
        k8c_pod_ask "$k8c_door" "$((k8c_limit < 15 ? 15 : k8c_limit))" "$@"
      ;;
  esac
fi

# ---- warm path: the program is in its cache

# Neither Deno nor tar starts in a working folder that has no path: because it was deleted or its mount
# was detached. "cd -P ." sets PWD to the path; if there is none, each shell leaves something else there.
k8c_lost=
cd -P . >/dev/null 2>&1 || :
case $PWD in
  "" | [!/]* | /proc/self/*) k8c_lost=yes && cd / ;;
esac

# The cache folders, in this order. The owner of / is root, or as good as root in a chroot.
k8c_second=
if [ -n "${K8CONTIVNET_CACHE-}" ]; then
  k8c_first=$K8CONTIVNET_CACHE
elif [ -O / ]; then
  k8c_first=/var/cache/k8contivnet
  k8c_second=/run/k8contivnet/cache # if /var/cache is read-only
else
  case ${XDG_CACHE_HOME-} in
    /*) k8c_first=$XDG_CACHE_HOME/k8contivnet ;;
    *) k8c_first=${HOME:+$HOME/.cache/k8contivnet} ;;
  esac
  if [ -z "$k8c_first" ] && [ -r /proc/self/status ]; then # neither HOME nor XDG_CACHE_HOME
    while read -r k8c_field k8c_uid _ && [ "$k8c_field" != Uid: ]; do :; done </proc/self/status
    k8c_first=/tmp/k8contivnet-$k8c_uid
  fi
fi
k8c_first=${k8c_first%/}
case $k8c_first in
  /*) ;;
  *) k8c_refuse "cache folder \"$k8c_first\" is not an absolute path; set K8CONTIVNET_CACHE to one" ;;
esac

# Fails if cache folder $1 exists and another user owns it.
k8c_ours() {
  [ ! -h "$1" ] || k8c_refuse "cache folder $1 is a symbolic link; set K8CONTIVNET_CACHE to its target"
  [ ! -e "$1" ] || [ -O "$1" ] ||
    k8c_refuse "cache folder $1 is owned by another user; remove it or set K8CONTIVNET_CACHE"
}

k8c_ours "$k8c_first"
if k8c_warm "$k8c_first"; then k8c_exec "$k8c_first" "$@"; fi
if [ -n "$k8c_second" ]; then
  k8c_ours "$k8c_second"
  if k8c_warm "$k8c_second"; then k8c_exec "$k8c_second" "$@"; fi
fi

# ---- cold path: fill the cache. This needs external commands. It runs in a subshell, so that umask, PATH
# ---- and the lock do not reach the program.

# Fails if a command that unpacking needs is missing.
k8c_tools() {
  for k8c_tool in tail gzip tar sha256sum mktemp chmod mkdir mv rm ls sync; do
    command -v "$k8c_tool" >/dev/null ||
      k8c_refuse "command $k8c_tool is missing, and the first start needs it; install it"
  done
}

# Fails if other users may write to folder $1.
k8c_closed() {
  case $(ls -ldn "$1/") in
    ?????w* | ????????w*) k8c_refuse "other users may write to $1; run chmod go-w $1" ;;
  esac
}

# Creates cache folder $1; returns 1 if that is not possible.
k8c_make() {
  [ -d "$1" ] || mkdir -p "$1" 2>/dev/null || [ -d "$1" ] || return 1
  k8c_ours "$1"
  k8c_closed "$1"
  k8c_up=${1%/*}
  while [ -n "$k8c_up" ]; do
    case $(ls -ldn "$k8c_up/") in
      ????????w[tT]*) ;; # sticky, like /tmp: others cannot rename our folder
      ????????w*) k8c_refuse "all users may write to $k8c_up; run chmod o-w $k8c_up" ;;
    esac
    k8c_up=${k8c_up%/*}
  done
  [ -w "$1" ] # false on a read-only file system, also for root
}

# Removes folders that killed processes left in cache folder $1 while filling it.
k8c_sweep() {
  for k8c_old in "$1"/.new.*; do
    [ -d "$k8c_old" ] || continue
    k8c_pid=${k8c_old#"$1"/.new.}
    # This process has the lock. So if the other one still runs, it had no flock, or waited too long.
    if ! kill -0 "${k8c_pid%%.*}" 2>/dev/null || [ -n "$(find "$k8c_old" -prune -mmin +60)" ]; then
      rm -rf "$k8c_old"
    fi
  done
}

# Removes older programs from cache folder $1, except those that a process runs and the newest of them:
# a launcher that has just checked its cache may be about to start that one.
k8c_prune() {
  k8c_real=$(cd "$1" && pwd -P) || return
  k8c_running=$(ls -l /proc/[0-9]*/exe 2>/dev/null)
  k8c_kept=
  for k8c_old in $(cd "$1" && ls -1dt -- ????????????????); do
    case $k8c_old in
      "$k8c_key" | *[!0-9a-f]*) continue ;;
    esac
    if [ -z "$k8c_kept" ]; then
      k8c_kept=$k8c_old
      continue
    fi
    case $k8c_running in
      *" $k8c_real/$k8c_old/"*) ;;
      *) rm -rf "${1:?}/$k8c_old" ;;
    esac
  done
}

# Explains why the unpacked program does not start; $1 is its output.
k8c_explain() {
  case $1 in
    *GLIBC* | *"not found"* | *"No such file"*)
      k8c_refuse "this host's C library is too old or not glibc; glibc @GLIBC@ or newer is needed" ;;
    *[Pp]"ermission denied"*)
      k8c_refuse "programs may not run in $k8c_new (noexec?); set K8CONTIVNET_CACHE to another folder" ;;
    *"xec format"*) k8c_refuse "this file is built for @MACHINE@, and this host is another machine type" ;;
  esac
  k8c_refuse "the unpacked program does not start: $1"
}

# Unpacks the program into a new folder in $1, checks it, syncs it to the disk, and renames it.
k8c_unpack() {
  k8c_new=$(mktemp -d "$1/.new.$$.XXXXXX") || return 1
  trap 'rm -rf "$k8c_new"' EXIT
  trap 'exit 1' HUP INT TERM
  k8c_sum=$(tail -c +@OFFSET@ "$0" | sha256sum)
  # The file may have been replaced by a newer one since this shell opened it.
  [ "${k8c_sum%% *}" = @SUM@ ] || exit 75
  tail -c +@OFFSET@ "$0" | gzip -dc | tar -xomf - -C "$k8c_new" 2>/dev/null ||
    k8c_refuse "unpacking into $1 failed; check that it has 200 MB of free space"
  chmod -R go= "$k8c_new" # as root, tar restores the archive's modes
  k8c_output=$("$k8c_new/@PROBE@" 2>&1) || k8c_explain "$k8c_output"
  sync "$k8c_new"/* "$k8c_new"/*/* "$k8c_new" || sync
  # Without a lock, another process may have been first.
  if k8c_warm "$1"; then return; fi
  # If a folder of that name exists and is not warm, it is broken. It is ours, or k8c_fill had refused it.
  [ ! -e "$1/$k8c_key" ] || mv "$1/$k8c_key" "$k8c_new/.broken" || return 1
  mv "$k8c_new" "$1/$k8c_key" || return 1
  trap - EXIT HUP INT TERM
  # If another process was first after all, mv has put our folder inside its folder.
  rm -rf "${1:?}/$k8c_key/${k8c_new##*/}" "${1:?}/$k8c_key/.broken"
  sync "$1" || sync
}

# Fills the first of the cache folders that can be created.
k8c_fill() {
  umask 077
  PATH=${PATH:+$PATH:}/usr/sbin:/usr/bin:/sbin:/bin
  k8c_tools
  for k8c_base in "$@"; do
    if [ -z "$k8c_base" ] || ! k8c_make "$k8c_base"; then continue; fi
    for k8c_file in "" @FILES@; do
      k8c_file=$k8c_base/$k8c_key/$k8c_file
      [ ! -e "$k8c_file" ] || [ -O "$k8c_file" ] ||
        k8c_refuse "$k8c_file is owned by another user; remove $k8c_base/$k8c_key"
    done
    # Of many simultaneous first starts, one unpacks. The lock ends with its process, also by kill -9.
    if command -v flock >/dev/null; then
      exec 9>"$k8c_base/.lock"
      flock -w 120 9 || :
    fi
    k8c_warm "$k8c_base" && return
    k8c_sweep "$k8c_base"
    k8c_unpack "$k8c_base" && k8c_prune "$k8c_base"
    return
  done
  k8c_refuse "cache folder $1 cannot be created; set K8CONTIVNET_CACHE to another one"
}

if [ -n "${CNI_COMMAND-}" ]; then
  k8c_out=3
  (k8c_fill "$k8c_first" "$k8c_second") 3>&1 </dev/null >&2
else
  (k8c_fill "$k8c_first" "$k8c_second") </dev/null >&2
fi
k8c_code=$?
k8c_out=1
for k8c_base in "$k8c_first" ${k8c_second:+"$k8c_second"}; do
  if k8c_warm "$k8c_base"; then k8c_exec "$k8c_base" "$@"; fi
done
if [ "$k8c_code" = 75 ]; then
  [ -z "${K8CONTIVNET_AGAIN-}" ] ||
    k8c_refuse "$0 is damaged: its checksum is not @KEY@…; copy the file to this host again"
  export K8CONTIVNET_AGAIN=1
  exec "$0" "$@"
fi
[ "$k8c_code" != 0 ] || k8c_refuse "cache folder $k8c_first changed right after it was filled; start again"
[ -z "${CNI_COMMAND-}" ] || [ "$k8c_code" = 76 ] || k8c_refuse "cache folder $k8c_first cannot be filled"
exit 1
