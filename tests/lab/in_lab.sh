#!/bin/sh
# in_lab.sh COMMAND...: runs COMMAND as root in network, mount and process namespaces of its own.
# All that it creates (links, bridges, namespaces, servers, files in /run) ends with it, also by kill -9.
#
# shellcheck disable=SC2016 # the inner shells expand these
set -eu

fail() {
  echo "in_lab.sh: $1" >&2
  exit 1
}

[ $# -gt 0 ] || { echo "usage: in_lab.sh COMMAND..." >&2; exit 2; }
[ "$(id -u)" = 0 ] || fail "creating namespaces needs root; use sudo"

lab='
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/netns /run/openvswitch /run/k8contivnet
  mount --bind /run/netns /run/netns; mount --make-shared /run/netns
  mount -t sysfs sysfs /sys 2>/dev/null || true
  ip link set lo up
  exec "$@"'

if unshare --mount --propagation private true 2>/dev/null; then
  exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private \
    sh -c "$lab" lab "$@"
fi

# In a chroot, / is not a mount point: its propagation cannot be changed, and "ip netns" does not work.
# So the lab gets a root that is a mount point. First a test that its mounts are not visible outside.
sign=/mnt/k8contivnet-lab.$$
unshare --mount --propagation unchanged sh -c 'mount -t tmpfs tmpfs /mnt && : >"$1"' lab "$sign" ||
  fail "no mount namespace can be created here; this needs root with CAP_SYS_ADMIN"
if [ -e "$sign" ]; then
  umount /mnt
  fail "mounts in this chroot are visible outside of it; enter it by \"unshare --mount chroot ...\""
fi
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation unchanged sh -c '
  mount --rbind / /mnt && mount --make-rprivate /mnt
  here=$PWD lab=$1; shift
  exec chroot /mnt sh -c "cd \"\$1\" && shift && $lab" lab "$here" "$@"' lab "$lab" "$@"
