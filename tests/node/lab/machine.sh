#!/bin/bash
# machine.sh DIR NAME: the first process of a simulated machine, started by machine.ts in namespaces of its
# own. It prepares what a booted machine has, writes DIR/up, and then adopts processes until it is killed.
set -eu
dir=$1
hostname "$2"

# Namespaces of the other machines are none of this one's business, nor would they end while it has them. Those of the
# machine that runs the lab are hidden below the lab's own /run, and cannot be reached.
grep -o ' /run/netns/[^ ]*' /proc/self/mounts | xargs -r umount -lq || :
mount -t tmpfs -o mode=755 tmpfs /run/netns
mkdir -p /run/containerd
mount -t tmpfs -o mode=711 tmpfs /run/containerd
mkdir -p "$dir/lib" "$dir/log"
mount --bind "$dir/lib" /var/lib
mount --bind "$dir/log" /var/log

# Control groups of its own, as far as it sees.
mount -t sysfs sysfs /sys
if grep -q '^[0-9]*:[^:]' /proc/self/cgroup; then
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    [ -n "$controllers" ] || continue
    name=${controllers#name=}
    [ "$name" = "$controllers" ] || controllers=none,$controllers
    mkdir "/sys/fs/cgroup/$name"
    mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$name"
  done </proc/self/cgroup
else
  # A group that passes controllers on may have no process of its own.
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/init
  echo $$ >/sys/fs/cgroup/init/cgroup.procs
  read -ra controllers </sys/fs/cgroup/cgroup.controllers
  for controller in "${controllers[@]}"; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || :
  done
fi

# Files over settings of the whole machine: a kubelet that reads the wanted value writes none. And a boot
# has an id.
mkdir -p "$dir/settings"
cover() {
  local file=$dir/settings/${1##*/}
  echo "$2" >"$file"
  mount --bind "$file" "/proc/sys/$1"
}
cover kernel/random/boot_id "$(cat /proc/sys/kernel/random/uuid)"
cover vm/overcommit_memory 1
cover vm/panic_on_oom 0
cover kernel/panic 10
cover kernel/panic_on_oops 1
cover kernel/keys/root_maxkeys 1000000
cover kernel/keys/root_maxbytes 25000000
echo 1 >/proc/sys/net/ipv4/ip_forward

touch "$dir/up"
trap : TERM
while :; do
  sleep 100000 &
  wait $! || :
done
