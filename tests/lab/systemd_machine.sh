#!/bin/sh
# systemd_machine.sh DIR CGROUP HOUSE [FOLDER...]: boots systemd as the first process of a simulated machine,
# in namespaces of its own but for the network. Its disk is this machine's, with all changes in memory; its
# HOUSE and FOLDERs are this machine's. All of it ends with its first process.
set -eu

# The first start: into a control group of its own.
if [ "${SYSTEMD_MACHINE-}" = "" ]; then
  dir=$1 group=$2
  mkdir -p "$dir/cgroup"
  mount -t cgroup2 cgroup2 "$dir/cgroup"
  # What a lab left that was killed: groups in which nothing runs.
  find "$dir/cgroup" -maxdepth 1 -name "${group%-*}-*" -mmin +1 | while read -r old; do
    grep -qx 'populated 1' "$old/cgroup.events" || find "$old" -depth -type d -exec rmdir {} + || :
  done
  mkdir "$dir/cgroup/$group"
  echo $$ >"$dir/cgroup/$group/cgroup.procs"
  export SYSTEMD_MACHINE=inner
  exec unshare --mount --pid --uts --ipc --cgroup --fork --kill-child --propagation slave "$0" "$@"
fi

dir=$1 house=$3
shift 3
hostname machine
mkdir "$dir/disk"
mount -t tmpfs -o mode=755 tmpfs "$dir/disk"
root=$dir/disk/root
mkdir "$dir/disk/upper" "$dir/disk/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/disk/upper,workdir=$dir/disk/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts"
for node in null zero full random urandom tty net/tun; do
  : >"$root/dev/$node"
  mount --bind "/dev/$node" "$root/dev/$node"
done
for place in "$house" "$@"; do
  mkdir -p "$root$place"
  mount --bind "$place" "$root$place"
done
# Pods' namespaces, also of those that are made later; those that the machine makes end with it.
mkdir -p "$root/run/netns"
mount --rbind /run/netns "$root/run/netns"
mount --make-shared "$root/run/netns"

# Nothing of this machine's own services, which would change its network and settings.
rm -rf "$root"/etc/systemd/system/* "$root"/usr/lib/systemd/system/*.wants "$root"/lib/systemd/system/*.wants \
  "$root"/etc/systemd/system-generators "$root"/usr/lib/systemd/system-generators \
  "$root"/etc/default/k8contivnet "$root"/etc/k8contivnet
# Images of containers have one: packages may not start services there.
rm -f "$root/usr/sbin/policy-rc.d"
cat >"$root/etc/systemd/system/default.target" <<'END'
[Unit]
Description=simulated machine
Requires=basic.target systemd-journald.service
Wants=multi-user.target
END
: >"$root/etc/fstab"
echo 5b2e9d0c6f1a4c7d8e9f0a1b2c3d4e5f >"$root/etc/machine-id"

cd "$root"
mkdir -p mnt
if pivot_root . mnt 2>/dev/null; then
  umount -l mnt
  enter=
else
  enter="chroot ." # within a chroot
fi
# shellcheck disable=SC2086 # two words, or none
exec $enter env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd </dev/null
