#!/bin/sh
# in_lab.sh COMMAND...: runs COMMAND as root in network, mount and process namespaces of its own.
# Whatever it makes (links, bridges, namespaces, servers, files in /run) ends with it, also by kill -9.
set -eu
[ $# -gt 0 ] || { echo "usage: in_lab.sh COMMAND..." >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "in_lab.sh: root is needed to make namespaces; use sudo" >&2; exit 1; }
exec unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private sh -c '
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/netns /run/openvswitch /run/k8contivnet
  mount --bind /run/netns /run/netns; mount --make-shared /run/netns
  mount -t sysfs sysfs /sys 2>/dev/null || true
  ip link set lo up
  exec "$@"' lab "$@"
