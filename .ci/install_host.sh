#!/bin/bash
# install_host.sh: what install.sh sources for its commands "install" and "upgrade".
#
# shellcheck disable=SC2034,SC2154 # variables of install.sh, set here or there
set -euo pipefail

# ---- install on a host

root='' dry='' cni='' only='' store='' intent='' purge=''
PLUGINS=/usr/libexec/kubernetes/kubelet-plugins/net
FOLDER=$PLUGINS/exec/k8contivnet
FILE=$FOLDER/k8contivnet
UNIT=/etc/systemd/system/k8contivnet.service
SETTINGS=/etc/k8contivnet/agent.json
ENVIRONMENT=/etc/default/k8contivnet
CNI_CONFIG=/etc/cni/net.d/10-k8contivnet.conflist
LINKS=(/usr/local/bin/{k8contivnet,netplugin,netdcli,kubectl-contiv})
CNI_LINK=/opt/cni/bin/k8contivnet
# What the file prints, by the words that make it: for shells, and for man.
declare -A TEXTS=(
  ['completion bash']=/usr/share/bash-completion/completions/k8contivnet
  ['completion zsh']=/usr/share/zsh/vendor-completions/_k8contivnet
  ['completion fish']=/usr/share/fish/vendor_completions.d/k8contivnet.fish
  ['docs man']=/usr/share/man/man8/k8contivnet.8
)

# Prints what is done, and does it unless this is a dry run: act MESSAGE -- COMMAND...
act() {
  local message=$1
  shift 2
  echo "${dry:+would }$message"
  [ -n "$dry" ] || "$@"
}

has_systemd() { [ -x "$root/usr/lib/systemd/systemd" ] || [ -x "$root/lib/systemd/systemd" ]; }

# Runs systemctl, if this installs to the machine itself and systemd is its init.
systemctl_here() {
  [ -z "$root" ] && [ -d /run/systemd/system ] || return 0
  act "run systemctl $*" -- systemctl "$@"
}

# Fails if one of the paths has something that is not ours. Nothing has been changed by then.
check_places() {
  local link name
  # A package that was removed but not purged keeps its list of files, for its settings.
  { [ ! -e "$root/var/lib/dpkg/info/k8contivnet.list" ] || [ ! -e "$root/usr/bin/k8contivnet" ]; } ||
    fail "k8contivnet is installed as a Debian package; use apt-get, or remove the package first"
  for name in "$root$FOLDER" "$root$PLUGINS/exec"; do
    [ ! -h "$name" ] || fail "$name is a symbolic link, which kubelets skip; replace it with a real folder"
  done
  if [ -d "$root$FOLDER" ]; then
    for name in "$root$FOLDER"/* "$root$FOLDER"/.[!.]*; do
      [ ! -e "$name" ] && [ ! -h "$name" ] || [ "$name" = "$root$FILE" ] ||
        fail "$name is in the plugin's folder but not installed by k8contivnet; move it away"
    done
  fi
  if [ -e "$root$FILE" ] || [ -h "$root$FILE" ]; then
    is_ours "$root$FILE" || fail "$root$FILE was not installed by k8contivnet; move it away"
  fi
  for link in "${LINKS[@]}" "$CNI_LINK"; do
    [ ! -e "$root$link" ] && [ ! -h "$root$link" ] || is_our_link "$link" ||
      fail "$root$link was not installed by k8contivnet; move it away"
  done
  for name in "$root$UNIT" "$root$CNI_CONFIG" "${TEXTS[@]/#/$root}"; do
    [ ! -e "$name" ] || is_ours "$name" || fail "$name was not installed by k8contivnet; move it away"
  done
}

is_ours() {
  [ -f "$1" ] &&
    grep -aqE '^#.*k8contivnet|"type": "k8contivnet"|^[.]TH K8CONTIVNET ' < <(head -c 81920 "$1")
}

# Succeeds if part $1 (exec, cni or agent) is to be installed.
has_part() {
  if [ -n "$only" ]; then [ "$only" = "$1" ]; else [ "$1" != cni ] || [ -n "$cni" ]; fi
}

is_our_link() { [ -h "$root$1" ] && [ "$(readlink "$root$1")" = "$FILE" ]; }

# Copies file $1 to $2 with mode $3, by a temporary file beside it and a rename.
place() {
  local new
  mkdir -p "$root${2%/*}"
  new=$(mktemp "$root${2%/*}/.k8contivnet.XXXXXX")
  cp "$1" "$new"
  chmod "$3" "$new"
  sync "$new"
  mv -f "$new" "$root$2"
}

# Puts the file in the plugin's folder. A kubelet that starts meanwhile sees either the folder with the
# file, or no folder; it never sees anything else beside or in it.
place_plugin() {
  local new
  mkdir -p "$root$PLUGINS/exec"
  new=$(mktemp -d "$root$PLUGINS/.k8contivnet.XXXXXX")
  cp dist/k8contivnet "$new/k8contivnet"
  chmod 755 "$new" "$new/k8contivnet"
  sync "$new/k8contivnet"
  if [ -d "$root$FOLDER" ]; then
    mv -f "$new/k8contivnet" "$root$FILE"
    rmdir "$new"
  else
    mv -T "$new" "$root$FOLDER"
  fi
}

link_to_plugin() {
  mkdir -p "$root${1%/*}"
  ln -sfn "$FILE" "$root$1"
}

same() { cmp -s "$1" "$root$2"; }

# Keeps others from installing, upgrading or uninstalling below the same folder at the same time.
lock_places() {
  [ -z "$dry" ] || return 0
  mkdir -p "$root$PLUGINS"
  exec 8<"$root$PLUGINS"
  flock -n 8 || fail "another install.sh is at work below ${root:-/}; try again when it has ended"
  # What one left that was killed.
  find "$root$PLUGINS" -maxdepth 1 -name '.k8contivnet.??????' -exec rm -rf {} +
}

install_here() {
  [ -f dist/k8contivnet ] || fail "dist/k8contivnet is missing; run \"./install.sh build\" first"
  check_places
  local changed=''
  [ -z "$intent" ] || check_intent
  lock_places
  place_parts
  if [ -n "$changed" ] && has_part agent && has_systemd; then
    systemctl_here try-restart k8contivnet
  fi
  # Last, because container runtimes use a configuration as soon as it is there.
  if has_part cni; then install_cni; fi
  [ -n "$dry" ] || say_how_to_start
}

# Installs all but the CNI configuration; sets "changed" if a running agent has something new.
place_parts() {
  local link
  if ! same dist/k8contivnet "$FILE"; then
    changed=yes
    act "install the file at $root$FILE" -- place_plugin
  fi
  for link in "${LINKS[@]}"; do
    is_our_link "$link" || act "link $root$link to it" -- link_to_plugin "$link"
  done
  has_part agent || return 0
  place_texts
  place_settings
  if has_systemd && ! same .ci/k8contivnet.service "$UNIT"; then
    changed=yes
    act "install the unit at $root$UNIT" -- place .ci/k8contivnet.service "$UNIT" 644
    systemctl_here daemon-reload
  fi
}

# Installs what the file prints. The man page has the date of the file.
place_texts() {
  local words
  for words in "${!TEXTS[@]}"; do
    print_text "$words"
    same "$scratch/text" "${TEXTS[$words]}" ||
      act "install $words at $root${TEXTS[$words]}" -- place "$scratch/text" "${TEXTS[$words]}" 644
  done
}

# Writes what the file prints with words $1 to $scratch/text.
print_text() {
  local epoch cache
  epoch=$(stat -c %Y dist/k8contivnet)
  cache=$(checking_cache)
  # shellcheck disable=SC2086 # words
  K8CONTIVNET_CACHE=$cache SOURCE_DATE_EPOCH=$epoch ./dist/k8contivnet $1 >"$scratch/text" 2>"$log" </dev/null ||
    fail "the file does not print its ${1#* }: $(tail -n 1 "$log")"
}

say_how_to_start() {
  local how
  has_part agent || { echo "installed"; return; }
  echo "the agent's flags are keys of $root$SETTINGS, such as {\"host-label\": \"host1\"}; \"k8contivnet netplugin -h\" lists them"
  if [ -n "$root" ]; then
    how="when $root is a running host"
  elif [ ! -d /run/systemd/system ] && [ -n "$(answering_pid)" ]; then
    echo "installed; the agent runs"
    return
  elif [ ! -d /run/systemd/system ]; then
    how="now; without systemd, let what starts services here (such as runit, or a line of inittab) restart it when it ends"
  elif systemctl is-active --quiet k8contivnet; then
    echo "installed; the agent runs"
    return
  fi
  if has_systemd && [ -z "${how-}" ]; then
    echo "installed; start the agent with \"systemctl enable --now k8contivnet\""
  else
    echo "installed; start the agent with \"k8contivnet netplugin --config $SETTINGS\" $how"
  fi
}

# ---- the agent's settings

# Prints the settings for store $1 and intent $2, each of which may be empty.
settings() {
  local comma=''
  printf '{'
  [ -z "$1" ] || { printf '\n  "store": "%s"' "$1"; comma=,; }
  [ -z "$2" ] || printf '%s\n  "intent": "%s"' "$comma" "$2"
  [ -z "$1$2" ] || printf '\n'
  printf '}\n'
}

# Prints the value of key $1 of the settings in file $2.
setting() { sed -n "s|^ *\"$1\": *\"\\([^\"]*\\)\".*|\\1|p" "$2" | head -n 1; }

# Succeeds if file $1 is as settings() has written it.
is_unchanged() { settings "$(setting store "$1")" "$(setting intent "$1")" | cmp -s - "$1"; }

# Installs the settings and the intent. Settings that somebody has changed stay as they are.
place_settings() {
  local current=$root$SETTINGS old_store='' old_intent='' copy=''
  if [ -n "$intent" ]; then
    copy=${SETTINGS%/*}/intent.${intent##*.}
    if ! same "$intent" "$copy"; then
      changed=yes
      act "copy the intent to $root$copy" -- place "$intent" "$copy" 644
    fi
  fi
  if [ -n "$store" ] && grep -qs '^[[:space:]]*K8CONTIVNET_STORE=.' "$root$ENVIRONMENT"; then
    say "note: K8CONTIVNET_STORE in $root$ENVIRONMENT overrides --etcd; remove it there"
  fi
  if [ -e "$current" ]; then
    if ! is_unchanged "$current"; then
      [ -z "$store$copy" ] ||
        say "note: $current has been changed and is kept; add this to it: $(settings "$store" "$copy" | tr -d '\n{}')"
      return
    fi
    old_store=$(setting store "$current") old_intent=$(setting intent "$current")
  fi
  settings "${store:-$old_store}" "${copy:-$old_intent}" >"$log"
  if ! same "$log" "$SETTINGS"; then
    changed=yes
    act "write the agent's settings to $current" -- place "$log" "$SETTINGS" 644
  fi
}

# Fails if the agent would refuse the intent, before anything is changed.
check_intent() {
  case $intent in
    *.json | *.yaml | *.yml) ;;
    *) fail "--intent $intent: the name of an intent ends with .json, .yaml or .yml" ;;
  esac
  K8CONTIVNET_CACHE=$(checking_cache) "./dist/k8contivnet" intent check "$intent" >"$log" 2>&1 </dev/null ||
    fail "--intent $intent is refused, and nothing is changed: $(grep -v '^$' "$log" | tail -n 3)"
}

# Prints the cache folder for a run of the file before it is installed: that of the host, or one that goes away.
checking_cache() {
  if [ -z "$root$dry" ]; then
    echo "${K8CONTIVNET_CACHE:-/var/cache/k8contivnet}"
  else
    mkdir -p "$scratch/cache"
    echo "$scratch/cache"
  fi
}

# ---- container runtimes

install_cni() {
  local name
  is_our_link "$CNI_LINK" || act "link $root$CNI_LINK to it" -- link_to_plugin "$CNI_LINK"
  for name in "$root${CNI_CONFIG%/*}"/*; do
    case $name in
      "$root$CNI_CONFIG") ;;
      *.conf | *.conflist | *.json)
        if is_our_config "$name"; then
          act "remove $name, an older configuration of k8contivnet" -- rm -f "$name"
        elif [[ ${name##*/} < ${CNI_CONFIG##*/} ]]; then
          say "note: $name sorts before ${CNI_CONFIG##*/}, so container runtimes use that network"
        fi
        ;;
    esac
  done
  if [ -e "$root$CNI_CONFIG" ] && grep -q cniVersions "$root$CNI_CONFIG"; then return; fi
  [ -n "$root$dry" ] || await_agent
  print_text "kube conflist"
  act "install the CNI configuration at $root$CNI_CONFIG" -- place "$scratch/text" "$CNI_CONFIG" 644
}

# Succeeds if configuration $1 calls no other plugin than k8contivnet.
is_our_config() {
  local types
  types=$(grep -o '"type"[[:space:]]*:[[:space:]]*"[^"]*"' "$1" 2>/dev/null | sed 's/.*"\([^"]*\)"$/\1/' | sort -u) || return 1
  [ "$types" = k8contivnet ]
}

# Waits until the agent answers a STATUS of CNI; fails with its reason.
await_agent() {
  local tries answer begin=$SECONDS
  for ((tries = 0; tries < 30; tries++)); do
    if answer=$(cni_status 2>&1); then
      show_wait ''
      return
    fi
    # Only an agent that systemd has just started again is worth waiting for.
    if [ -z "${changed-}" ] || [ ! -d /run/systemd/system ]; then break; fi
    show_wait "waiting for the agent's answer" "$begin"
    sleep 1
  done
  show_wait ''
  answer=$(sed -n 's/.*"msg":"\([^"]*\)".*/\1/p' <<<"$answer")
  local remedy="start the agent"
  case $answer in "" | *unreachable*) ;; *) remedy="correct that, see \"k8contivnet doctor\"" ;; esac
  fail "the CNI configuration is not installed, because pods would fail: ${answer:-the agent does not answer};" \
    "$remedy, then run \"./install.sh install --cni\" again"
}

cni_status() {
  CNI_COMMAND=STATUS CNI_PATH=/opt/cni/bin "$FILE" \
    <<<'{"cniVersion":"1.1.0","name":"k8contivnet","type":"k8contivnet"}'
}

# Removes what makes container runtimes call the file as a CNI plugin: the configuration first.
remove_cni() {
  local path
  for path in "$CNI_CONFIG" "$CNI_LINK"; do remove_path "$path"; done
}

remove_path() {
  if [ -e "$root$1" ] || [ -h "$root$1" ]; then act "remove $root$1" -- rm -f "$root$1"; fi
}

# ---- uninstall

uninstall_here() {
  check_places
  local path
  [ -z "$purge" ] || check_no_pods
  [ ! -d "$root$PLUGINS" ] || lock_places
  [ ! -e "$root$UNIT" ] || systemctl_here disable --now k8contivnet
  remove_cni
  remove_reach
  for path in "$UNIT" "${LINKS[@]}" "${TEXTS[@]}"; do remove_path "$path"; done
  [ ! -e "$root$SETTINGS" ] || ! is_unchanged "$root$SETTINGS" || remove_path "$SETTINGS"
  [ ! -d "$root$FOLDER" ] || act "remove $root$FOLDER" -- remove_plugin
  remove_folder /var/cache/k8contivnet
  if [ -n "$purge" ]; then
    purge_here
  elif [ -z "$dry" ]; then
    [ ! -d "$root${SETTINGS%/*}" ] || rmdir --ignore-fail-on-non-empty "$root${SETTINGS%/*}"
    echo "uninstalled; kept, if any: state in /var/lib/k8contivnet, intent and changed settings in" \
      "${SETTINGS%/*} and $ENVIRONMENT, and the ports of pods; see --purge"
  fi
  [ -n "$dry" ] || remove_empty_folders
}

# Removes state, intent, settings, and what the agent made on this machine.
purge_here() {
  local path bridge shared=''
  if grep -qsE '"store": *"etcds?:|^[[:space:]]*K8CONTIVNET_STORE=.?etcds?:' "$root$SETTINGS" "$root$ENVIRONMENT"; then
    shared="; the store in etcd still has this host's records: see \"k8contivnet gc --host\" on another host"
  fi
  for path in /etc/k8contivnet /var/lib/k8contivnet /run/k8contivnet; do remove_folder "$path"; done
  remove_path "$ENVIRONMENT"
  if [ -z "$root" ]; then
    for bridge in $(our_bridges); do
      act "remove bridge $bridge of Open vSwitch" -- ovs-vsctl --timeout=10 --if-exists del-br "$bridge"
    done
    for path in /run/netns/k8contivnet-*; do
      [ ! -e "$path" ] || act "remove the network namespace ${path##*/}" -- ip netns delete "${path##*/}"
    done
  fi
  [ -n "$dry" ] || echo "uninstalled and purged$shared"
}

# Prints the bridges of this machine's Open vSwitch that an agent has made.
our_bridges() {
  local name owner
  command -v ovs-vsctl >/dev/null || return 0
  for name in $(ovs-vsctl --timeout=5 list-br 2>/dev/null); do
    owner=$(ovs-vsctl --timeout=5 --if-exists get bridge "$name" external_ids:k8contivnet 2>/dev/null) || continue
    [ -z "$owner" ] || echo "$name"
  done
}

# Fails if Open vSwitch has ports of pods, which would lose their network.
check_no_pods() {
  [ -z "$root" ] && command -v ovs-vsctl >/dev/null || return 0
  local pods
  pods=$(ovs-vsctl --timeout=5 --bare --columns=external_ids find port 2>/dev/null |
    awk '/k8contivnet=/ {
      namespace = pod = ""
      for (i = 1; i <= NF; i++) {
        if ($i ~ /^namespace=/) namespace = substr($i, 11)
        if ($i ~ /^pod=/) pod = substr($i, 5)
      }
      if (pod != "") print namespace "/" pod
    }' | sort -u | paste -sd ' ') || return 0
  [ -z "$pods" ] ||
    fail "--purge would cut off pods that are attached: $pods; remove them first, or take each off with" \
      "\"k8contivnet teardown NAMESPACE POD SANDBOX\", as \"k8contivnet get attachments\" names them;" \
      "or uninstall without --purge"
}

remove_folder() {
  if [ -d "$root$1" ]; then act "remove $root$1" -- rm -rf "$root$1"; fi
}

# Removes what a distributed gateway has on this machine: first the way into its stack, then what guards it.
remove_reach() {
  [ -z "$root" ] || return 0
  local port
  if command -v ovs-vsctl >/dev/null; then
    for port in $(ovs-vsctl --timeout=5 --bare --columns=name find port external_ids:k8contivnet-kind=host 2>/dev/null); do
      act "remove port $port of Open vSwitch" -- ovs-vsctl --timeout=5 --if-exists del-port "$port"
    done
  fi
  command -v nft >/dev/null || return 0
  local table
  for table in k8contivnet-egress k8contivnet k8contivnet-closed; do
    if nft list table ip "$table" >/dev/null 2>&1; then
      act "remove table ip $table of nftables" -- nft delete table ip "$table"
    fi
  done
}

# Removes the plugin's folder in one step, because a kubelet fails on an empty one.
remove_plugin() {
  local old
  old=$(mktemp -d "$root$PLUGINS/.k8contivnet.XXXXXX")
  mv "$root$FOLDER" "$old"
  rm -rf "$old"
}

# Removes the folders above the plugin's, and those of the texts, that are empty.
remove_empty_folders() {
  local path
  for path in "${TEXTS[@]}"; do
    [ ! -d "$root${path%/*}" ] || (cd "${root:-/}" && rmdir -p --ignore-fail-on-non-empty "./${path%/*}")
  done
  [ ! -d "$root$PLUGINS" ] || (
    cd "$root/usr/libexec"
    [ ! -d "${PLUGINS#/usr/libexec/}/exec" ] || rmdir -p --ignore-fail-on-non-empty "${PLUGINS#/usr/libexec/}/exec"
    [ ! -d "${PLUGINS#/usr/libexec/}" ] || rmdir -p --ignore-fail-on-non-empty "${PLUGINS#/usr/libexec/}"
  )
}

# ---- upgrade

ANSWER_SECONDS=30
# An agent that says what its start waits for is given so long: with a large store, it reads for minutes.
START_SECONDS=300

# What undo_upgrade needs, also at the end of the script: a folder with the old files, the old agent's process.
old='' pid=0 restored=''

upgrade_here() {
  [ -f dist/k8contivnet ] || fail "dist/k8contivnet is missing; run \"./install.sh build\" first"
  [ -e "$root$FILE" ] || fail "k8contivnet is not installed ${root:+below }${root:-here}; run \"./install.sh install\""
  check_places
  local changed='' text
  only='exec'
  if [ -e "$root$UNIT" ]; then only=agent; fi
  lock_places
  if [ -z "$root$dry" ]; then
    # Unpacks it, too, so that the agent is away for a moment only.
    ./dist/k8contivnet version >"$log" 2>&1 </dev/null || fail "the new file does not start, and nothing is changed: $(tail -n 1 "$log")"
    old=$(mktemp -d "$root$PLUGINS/.k8contivnet.XXXXXX")
    cp -p "$FILE" "$old/file"
    [ ! -e "$UNIT" ] || cp -p "$UNIT" "$old/unit"
    [ ! -e "$SETTINGS" ] || cp -p "$SETTINGS" "$old/settings"
    for text in "${TEXTS[@]}"; do [ ! -e "$text" ] || cp -p "$text" "$old/${text##*/}"; done
    undo_upgrade=undo_upgrade
    pid=$(agent_pid)
  fi
  place_parts
  if [ -n "$changed" ] && [ -n "$dry" ] && [ -z "$root" ] && [ "$(agent_pid)" != 0 ]; then
    echo "start the agent again"
  fi
  if [ -n "$changed" ] && [ "$pid" != 0 ]; then
    echo "start the agent again"
    systemctl restart --no-block k8contivnet
    await_new_agent "$pid" || fail_upgrade
  fi
  undo_upgrade=:
  [ -z "$old" ] || rm -rf "$old"
  if [ -e "$root$CNI_CONFIG" ]; then install_cni; fi
  [ -n "$dry" ] || say_upgraded
}

say_upgraded() {
  local running=''
  if [ -n "$changed" ] && [ "$pid" = 0 ] && [ -z "$root" ]; then running=$(answering_pid); fi
  if [ -z "$changed" ]; then
    echo "nothing to upgrade: this file and unit are the installed ones"
  elif [ "$pid" != 0 ]; then
    echo "upgraded; the new agent answers"
  elif [ -n "$running" ]; then
    echo "upgraded; the agent that runs, process $running, is still the old one: end it and start it again, with" \
      "the flags and variables that it has; pods stay connected:"
    echo "  kill $running"
    echo "  k8contivnet$(agent_words "$running")"
  else
    echo "upgraded; the agent was not running"
  fi
}

# Prints the words by which process $1 was started as agent, as a shell takes them.
agent_words() {
  local word words=''
  while IFS= read -r -d '' word; do
    if [ "$word" = netplugin ]; then words=' netplugin'; elif [ -n "$words" ]; then words+=$(printf ' %q' "$word"); fi
  done < <(cat "/proc/$1/cmdline" 2>/dev/null)
  echo "${words:- netplugin --config $SETTINGS}"
}

# Prints the process id of the agent that answers, whatever runs it, or nothing.
answering_pid() {
  K8CONTIVNET_SOCKET=$(agent_socket) "$FILE" status -o json 2>/dev/null </dev/null |
    sed -n 's/.*"pid"[[:space:]]*:[[:space:]]*\([0-9]\{1,\}\).*/\1/p' | head -n 1 || :
}

# Prints the process id of the agent that systemd runs, or 0.
agent_pid() {
  local pid=0
  [ ! -d /run/systemd/system ] || pid=$(systemctl show -p MainPID --value k8contivnet 2>/dev/null) || :
  echo "${pid:-0}"
}

# Shows on a terminal for how long something has been waited for, from the second second on; without words, removes that.
show_wait() {
  [ -t 2 ] || return 0
  local seconds=$((SECONDS - ${2-0}))
  if [ -z "$1" ]; then printf '\r\033[K' >&2; elif [ "$seconds" -gt 0 ]; then printf '\r%s, %d s\033[K' "$1" "$seconds" >&2; fi
}

# Waits until an agent answers that has another process id than $1.
await_new_agent() {
  local begin=$SECONDS limit=$ANSWER_SECONDS pid socket
  socket=$(agent_socket)
  while [ $((SECONDS - begin)) -lt "$limit" ]; do
    pid=$(agent_pid)
    if [ "$pid" != 0 ] && [ "$pid" != "$1" ]; then
      if K8CONTIVNET_SOCKET=$socket timeout 10 "$FILE" status >"$log" 2>&1 </dev/null; then
        show_wait ''
        return
      fi
      limit=$ANSWER_SECONDS
      if grep -q 'agent is starting' "$log"; then limit=$START_SECONDS; fi
    fi
    show_wait "waiting for the new agent's answer" "$begin"
    sleep 0.3
  done
  show_wait ''
  return 1
}

# Prints the path of the agent's socket, as the unit's environment or the settings have it.
agent_socket() {
  local socket
  socket=$(sed -n 's/^[[:space:]]*K8CONTIVNET_SOCKET=["'\'']\{0,1\}\([^"'\'']*\).*/\1/p' "$ENVIRONMENT" 2>/dev/null | tail -n 1)
  [ -n "$socket" ] || [ ! -e "$SETTINGS" ] || socket=$(grep -o '"socket"[[:space:]]*:[[:space:]]*"[^"]*"' "$SETTINGS" | sed 's/.*"\([^"]*\)"$/\1/')
  echo "${socket:-/run/k8contivnet/agent.sock}"
}

fail_upgrade() {
  local why
  why=$(journalctl _SYSTEMD_UNIT=k8contivnet.service -n 1 -o cat --no-pager 2>/dev/null) || why=
  undo_upgrade
  fail "the new agent did not answer within $ANSWER_SECONDS s${why:+ (${why%.})}; $restored; see \"journalctl -u k8contivnet\""
}

# Puts file, unit, settings and texts back as they were. Also runs if the upgrade is interrupted.
undo_upgrade() {
  undo_upgrade=:
  local now text
  now=$(agent_pid)
  place "$old/file" "$FILE" 755
  if [ -e "$old/unit" ]; then place "$old/unit" "$UNIT" 644; fi
  if [ -e "$old/settings" ]; then place "$old/settings" "$SETTINGS" 644; else rm -f "$SETTINGS"; fi
  for text in "${TEXTS[@]}"; do
    if [ -e "$old/${text##*/}" ]; then place "$old/${text##*/}" "$text" 644; else rm -f "$text"; fi
  done
  rm -rf "$old"
  restored='the old file is back'
  [ "$pid" != 0 ] || return 0
  systemctl daemon-reload
  systemctl reset-failed k8contivnet 2>/dev/null || :
  systemctl restart --no-block k8contivnet
  if await_new_agent "$now"; then
    restored+=', and its agent answers'
  else
    restored+=', and its agent does not answer, either'
  fi
}

# ---- commands

install_command() {
  local what=install_here
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) dry=yes ;;
      --uninstall) what=uninstall_here ;;
      --purge) purge=yes ;;
      --cni) cni=yes ;;
      --root | --only | --etcd | --intent)
        [ -n "${2-}" ] || fail "$1 needs $(needs "$1")"
        take "$1" "$2"
        shift
        ;;
      --root=* | --only=* | --etcd=* | --intent=*)
        [ -n "${1#*=}" ] || fail "${1%%=*} needs $(needs "${1%%=*}")"
        take "${1%%=*}" "${1#*=}"
        ;;
      *) fail "unknown argument \"$1\"; see \"./install.sh -h\"" ;;
    esac
    shift
  done
  [ -z "$purge" ] || [ "$what" = uninstall_here ] || fail "--purge goes with --uninstall"
  [ -z "$store$intent" ] || { [ "$what" = install_here ] && has_part agent; } ||
    fail "--etcd and --intent are the agent's settings, which are not installed here"
  [ -z "$cni" ] || [ -z "$only" ] || [ "$only" = cni ] || fail "--cni and --only $only exclude each other"
  begin
  "$what"
}

upgrade_command() {
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) dry=yes ;;
      --root)
        [ -n "${2-}" ] || fail "--root needs a folder"
        take "$1" "$2"
        shift
        ;;
      --root=*) take --root "${1#--root=}" ;;
      *) fail "unknown argument \"$1\"; see \"./install.sh -h\"" ;;
    esac
    shift
  done
  begin
  upgrade_here
}

needs() {
  case $1 in
    --root) echo "a folder" ;;
    --only) echo "exec, cni or agent" ;;
    --etcd) echo "a URL, such as etcd://10.0.0.5:2379/prod" ;;
    *) echo "a file" ;;
  esac
}

# Takes value $2 of option $1. Paths are relative to the folder that install.sh was called in.
take() {
  case $1 in
    --root) root=$(cd "$given" && realpath -m -- "$2") ;;
    --intent)
      intent=$(cd "$given" && realpath -m -- "$2")
      [ -f "$intent" ] || fail "--intent $2: file not found"
      ;;
    --only)
      case $2 in exec | cni | agent) only=$2 ;; *) fail "--only $2: it can be exec, cni or agent" ;; esac
      ;;
    --etcd)
      [[ $2 =~ ^etcds?://[][A-Za-z0-9._:,-]+(/[A-Za-z0-9._/-]*)?$ ]] ||
        fail "--etcd $2 is not the URL of an etcd; it is etcd://HOST:PORT[,HOST:PORT][/PREFIX], or etcds:// with TLS"
      store=$2
      ;;
  esac
}

# Prepares the work on root, after the arguments are read.
begin() {
  [ "$root" != / ] || root=
  [ -n "$root$dry" ] || [ "$(id -u)" = 0 ] || fail "this needs root; run it with sudo"
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/k8contivnet-host.XXXXXX")
  to_delete=$scratch
}
