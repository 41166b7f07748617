# unpack.sh: how the launcher starts the program.
#
# k8contivnet @VERSION@, one file: the launcher (launcher.c), of which this is a part, and, compressed, @CONTENT@.
#
# This unpacks the program once into a cache folder named by its checksum, and then executes it; once it is unpacked, that
# takes only shell built-ins and one exec, no fork. The launcher runs this as "sh -c TEXT FILE ARGUMENT...". It works with
# dash, bash and busybox ash, also with an empty environment. Its variables start with k8c_, to not replace the caller's.
#
# shellcheck shell=sh disable=SC2034,SC2043 # .ci/build.sh replaces the words between @

k8c_key=@KEY@

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
      # memory and save 20 ms of its start (Deno 2.9.6). With 8 MB for new objects instead of 2, a burst of set-ups
      # takes a tenth less of a processor, and the agent has no more memory after it.
      k8c_more=--no-code-cache
      export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX-2}"
      export DENO_V8_FLAGS="${DENO_V8_FLAGS---optimize-for-size,--max-semi-space-size=8,--expose-gc}"
      ;;
  esac
  # At its start, Deno resolves the commands that it may run, and fails without a PATH.
  export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
  @BECOME@ "$@"
}

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
