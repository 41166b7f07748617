#!/bin/sh
# k8contivnet @VERSION@, one file: this header and, compressed, @CONTENT@.
# The header unpacks it once into a cache folder named by its checksum, and becomes it. What a pod's
# setup pays is the warm way: shell built-ins and one exec, nothing forked. It runs on dash, bash and
# busybox ash, with an empty environment too; its names start with k8c_ to spare the caller's.

k8c_key=@KEY@

# Fails with one sentence, and code $2.
k8c_fail() {
  printf 'k8contivnet: %s\n' "$1" >&2
  exit "$2"
}

k8c_refuse() { k8c_fail "$1" 1; }

# Succeeds where cache folder $1 holds the program and only we can have put it there. Each level and
# file that counts is ours; modes are looked at when the cache is filled, not here: what is ours and
# was made 0700 under an 0700 folder is opened to others by nobody but us, and what others slip in by
# way of a folder that we opened later is theirs, hence refused by its owner.
k8c_warm() {
  [ -O "$1" ] && [ ! -h "$1" ] && [ -O "$1/$k8c_key" ] || return 1
  for k8c_file in @FILES@; do
    [ -O "$1/$k8c_key/$k8c_file" ] || return 1
  done
}

# Becomes the program of cache folder $1 with the further words.
k8c_become() {
  k8c_dir=$1/$k8c_key
  shift
  unset K8CONTIVNET_AGAIN
  # A shell cannot hand its $0 on as argv[0]; the name says which face is wanted.
  export K8CONTIVNET_ARGV0="$0" K8CONTIVNET_BUILD="$k8c_key" K8CONTIVNET_GLIBC=@GLIBC@
  export DENO_DIR="$k8c_dir/run" DENO_NO_UPDATE_CHECK=1 DENO_NO_PACKAGE_JSON=1
  export DENO_DISABLE_NODE_SHIM=1
  case ${0##*/},${1-} in
    netplugin,* | *,netplugin)
      # The agent stays: a small heap, few malloc arenas. Code is cached for one set of V8's flags.
      export DENO_DIR="$k8c_dir/agent" MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX-2}"
      export DENO_V8_FLAGS="${DENO_V8_FLAGS---optimize-for-size,--max-semi-space-size=2,--expose-gc}"
      ;;
  esac
  # Deno looks the commands that it may run up at its start, and fails without a PATH.
  export PATH="${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
  @BECOME@ "$@"
}

# ---- door: a kubelet's question goes to the running agent from here, without a JavaScript engine, in
# ---- a third of the time. What is not settled so goes on to the exec face, which means the same.

# Succeeds where the agent that opened door $1 runs: its process number and start time are what it
# wrote there.
k8c_is_open() {
  [ -O "$1" ] && [ ! -h "$1" ] && [ -r "$1/agent" ] && [ -p "$1/ask" ] || return 1
  { read -r k8c_pid k8c_since <"$1/agent" && read -r k8c_stat <"/proc/$k8c_pid/stat"; } 2>/dev/null &&
    k8c_is_since "$k8c_since" ${k8c_stat##*")"} # numbers
}

# Compares $1 with field 22 of proc(5)'s stat, whose words from the third on follow.
k8c_is_since() { [ "$1" = "${21-}" ]; }

# Succeeds where words $1 to $4 are a kubelet's question in plain letters.
k8c_is_plain() {
  [ $# = 4 ] && [ ${#2} -lt 254 ] && [ ${#3} -lt 254 ] && [ ${#4} -lt 65 ] || return 1
  case $1 in setup | teardown | status) ;; *) return 1 ;; esac
  case $2$3$4 in *[!A-Za-z0-9._-]*) return 1 ;; esac
  case $2,$3,$4 in ,* | *,,* | *,) return 1 ;; esac
}

# Asks at door $1, waits $2 seconds, and ends with the answer; returns where there is none. The
# answer comes in a FIFO that is open here for both, so that nobody ever waits for the other to open
# it; head and timeout hold no stream of the caller's.
k8c_ask() {
  mkfifo -m 600 "$1/$$" 2>/dev/null || return 0
  {
    printf '%s\n' "$3 $4 $5 $6 $$" 8<>"$1/ask" >&8 && k8c_is_open "$1" &&
      k8c_said=$(timeout "$2" head -n 1 <&9 2>/dev/null)
  } 9<>"$1/$$" || {
    k8c_code=$?
    rm -f "$1/$$"
    # 124 is timeout's; a teardown goes on to leave a note.
    [ "$k8c_code" = 124 ] || return 0
    case $3 in
      setup) k8c_said="6 agent at ${1%.door} gave no answer in ${2}000 ms; see its log, and whether Open vSwitch is running" ;;
      status) exit 0 ;;
      *) return 0 ;;
    esac
  }
  case $k8c_said in
    "0 "*) printf %s "${k8c_said#* }" && exit 0 ;;
    [1-6]" "*) k8c_fail "${k8c_said#* }" "${k8c_said%% *}" ;;
  esac
}

k8c_door=${K8CONTIVNET_SOCKET:-/run/k8contivnet/agent.sock}.door
if [ "${K8CONTIVNET_DOOR-}" != none ] && k8c_is_plain "$@" && k8c_is_open "$k8c_door"; then
  k8c_limit=${K8CONTIVNET_SETUP_SECONDS:-60}
  case $1,$k8c_limit in
    setup,*[!0-9]* | setup,0* | setup,?????*) ;; # the exec face knows what to make of it
    setup,*) k8c_ask "$k8c_door" "$((k8c_limit < 15 ? 15 : k8c_limit))" "$@" ;;
    *) k8c_ask "$k8c_door" 5 "$@" ;;
  esac
fi

# ---- warm: the program is in its cache.

# Where to look, in this order. Who owns / is root, or as good as root in a chroot.
k8c_second=
if [ -n "${K8CONTIVNET_CACHE-}" ]; then
  k8c_first=$K8CONTIVNET_CACHE
elif [ -O / ]; then
  k8c_first=/var/cache/k8contivnet
  k8c_second=/run/k8contivnet/cache # where /var/cache is read-only
else
  case ${XDG_CACHE_HOME-} in
    /*) k8c_first=$XDG_CACHE_HOME/k8contivnet ;;
    *) k8c_first=${HOME:+$HOME/.cache/k8contivnet} ;;
  esac
  if [ -z "$k8c_first" ] && [ -r /proc/self/status ]; then # neither HOME nor XDG_CACHE_HOME
    while read -r k8c_word k8c_uid k8c_rest && [ "$k8c_word" != Uid: ]; do :; done </proc/self/status
    k8c_first=/tmp/k8contivnet-$k8c_uid
  fi
fi
k8c_first=${k8c_first%/}
case $k8c_first in
  /*) ;;
  *) k8c_refuse "cache folder \"$k8c_first\" is no absolute path; set K8CONTIVNET_CACHE to one" ;;
esac

# Refuses cache folder $1 where it is there and not ours.
k8c_ours() {
  [ ! -h "$1" ] || k8c_refuse "cache folder $1 is a link; set K8CONTIVNET_CACHE to where it leads"
  [ ! -e "$1" ] || [ -O "$1" ] ||
    k8c_refuse "cache folder $1 belongs to somebody else; remove it or set K8CONTIVNET_CACHE"
}

k8c_ours "$k8c_first"
if k8c_warm "$k8c_first"; then k8c_become "$k8c_first" "$@"; fi
if [ -n "$k8c_second" ]; then
  k8c_ours "$k8c_second"
  if k8c_warm "$k8c_second"; then k8c_become "$k8c_second" "$@"; fi
fi

# ---- cold: fill the cache. From here on commands are called; all in a subshell, so that umask, PATH
# ---- and lock are gone again when the program starts.

# Fails unless the commands that unpacking takes are there.
k8c_tools() {
  for k8c_tool in tail gzip tar sha256sum mktemp chmod mkdir mv rm ls sync; do
    command -v "$k8c_tool" >/dev/null ||
      k8c_refuse "command $k8c_tool is missing, which the first start needs; install it"
  done
}

# Refuses folder $1 where others may put things into it.
k8c_closed() {
  case $(ls -ldn "$1/") in
    ?????w* | ????????w*) k8c_refuse "$1 may be written by others; chmod go-w $1" ;;
  esac
}

# Makes cache folder $1; gives 1 where that cannot be done.
k8c_make() {
  [ -d "$1" ] || mkdir -p "$1" 2>/dev/null || [ -d "$1" ] || return 1
  k8c_ours "$1"
  k8c_closed "$1"
  k8c_up=${1%/*}
  while [ -n "$k8c_up" ]; do
    case $(ls -ldn "$k8c_up/") in
      ????????w[tT]*) ;; # like /tmp: nobody may rename what is ours
      ????????w*) k8c_refuse "$k8c_up may be written by everybody; chmod o-w $k8c_up" ;;
    esac
    k8c_up=${k8c_up%/*}
  done
  [ -w "$1" ] # false on a read-only file system, for root too
}

# Removes what earlier fills left in cache folder $1 when they were killed.
k8c_sweep() {
  for k8c_old in "$1"/.new.*; do
    [ -d "$k8c_old" ] || continue
    k8c_pid=${k8c_old#"$1"/.new.}
    # The lock is ours, so a living maker is one that had no flock, or waited too long for it.
    kill -0 "${k8c_pid%%.*}" 2>/dev/null && [ -z "$(find "$k8c_old" -prune -mmin +60)" ] ||
      rm -rf "$k8c_old"
  done
}

# Removes older programs from cache folder $1, but the newest of them and what a process runs: one
# that looked at its cache a moment ago may be about to start it.
k8c_prune() {
  k8c_real=$(cd "$1" && pwd -P) || return
  k8c_running=$(ls -l /proc/[0-9]*/exe 2>/dev/null)
  k8c_kept=
  for k8c_old in $(cd "$1" && ls -1dt ????????????????); do
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

# Says why the unpacked program does not start; $1 is what it said.
k8c_explain() {
  case $1 in
    *GLIBC* | *"not found"* | *"No such file"*)
      k8c_refuse "this host's C library is too old or not glibc; glibc @GLIBC@ or newer is needed" ;;
    *[Pp]"ermission denied"*)
      k8c_refuse "$k8c_new does not let programs run; set K8CONTIVNET_CACHE to a folder elsewhere" ;;
    *"xec format"*) k8c_refuse "this file is built for @MACHINE@, not for this host" ;;
  esac
  k8c_refuse "the unpacked program does not start: $1"
}

# Unpacks the program into a new folder of $1, checked and on the disk, then gives it its name.
k8c_unpack() {
  k8c_new=$(mktemp -d "$1/.new.$$.XXXXXX") || return 1
  trap 'rm -rf "$k8c_new"' EXIT
  trap 'exit 1' HUP INT TERM
  k8c_sum=$(tail -c +@OFFSET@ "$0" | sha256sum)
  # The file may have been replaced by a newer one since this shell opened it.
  [ "${k8c_sum%% *}" = @SUM@ ] || exit 75
  tail -c +@OFFSET@ "$0" | gzip -dc | tar -xomf - -C "$k8c_new" 2>/dev/null ||
    k8c_refuse "unpacking into $1 stopped; see that it has 200 MB of room"
  chmod -R go= "$k8c_new" # tar takes the archive's modes for root
  k8c_words=$("$k8c_new/@PROBE@" 2>&1) || k8c_explain "$k8c_words"
  sync "$k8c_new"/* "$k8c_new"/*/* "$k8c_new" || sync
  # Without a lock another start may have been first.
  if k8c_warm "$1"; then return; fi
  # What is there and not warm is broken, and ours, else it would have been refused.
  [ ! -e "$1/$k8c_key" ] || mv "$1/$k8c_key" "$k8c_new/.broken" || return 1
  mv "$k8c_new" "$1/$k8c_key" || return 1
  trap - EXIT HUP INT TERM
  # If another was first after all, mv put ours inside its folder.
  rm -rf "${1:?}/$k8c_key/${k8c_new##*/}" "${1:?}/$k8c_key/.broken"
  sync "$1" || sync
}

# Fills the first of the cache folders that can be made.
k8c_fill() {
  umask 077
  PATH=${PATH:+$PATH:}/usr/sbin:/usr/bin:/sbin:/bin
  k8c_tools
  for k8c_base in "$@"; do
    if [ -z "$k8c_base" ] || ! k8c_make "$k8c_base"; then continue; fi
    for k8c_file in "" @FILES@; do
      k8c_file=$k8c_base/$k8c_key/$k8c_file
      [ ! -e "$k8c_file" ] || [ -O "$k8c_file" ] ||
        k8c_refuse "$k8c_file belongs to somebody else; remove $k8c_base/$k8c_key"
    done
    # Of many first starts at once, one unpacks. The lock goes with its holder, also by kill -9.
    if command -v flock >/dev/null; then
      exec 9>"$k8c_base/.lock"
      flock -w 120 9 || :
    fi
    k8c_warm "$k8c_base" && return
    k8c_sweep "$k8c_base"
    k8c_unpack "$k8c_base" && k8c_prune "$k8c_base"
    return
  done
  k8c_refuse "cache folder $1 cannot be made; set K8CONTIVNET_CACHE to one that can"
}

(k8c_fill "$k8c_first" "$k8c_second") </dev/null >&2
k8c_code=$?
for k8c_base in "$k8c_first" ${k8c_second:+"$k8c_second"}; do
  if k8c_warm "$k8c_base"; then k8c_become "$k8c_base" "$@"; fi
done
if [ "$k8c_code" = 75 ]; then
  [ -z "${K8CONTIVNET_AGAIN-}" ] ||
    k8c_refuse "$0 is damaged: its checksum is not @KEY@…; copy it here again"
  export K8CONTIVNET_AGAIN=1
  exec "$0" "$@"
fi
[ "$k8c_code" != 0 ] || k8c_refuse "cache folder $k8c_first is not as it was just made; start again"
exit 1
