#!/bin/bash
# deb.sh: builds dist/k8contivnet_VERSION_ARCH.deb, a Debian package of dist/k8contivnet. Its maintainer is
# DEBFULLNAME and DEBEMAIL, its time that of dist/k8contivnet, or SOURCE_DATE_EPOCH. The build is reproducible.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

fail() {
  echo "deb: $1" >&2
  exit 1
}

[ -f dist/k8contivnet ] || fail "dist/k8contivnet is missing; run \"./install.sh build\" first"
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing; build the package on Debian or Ubuntu"
work=$(mktemp -d "$PWD/dist/.deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y dist/k8contivnet)}
export K8CONTIVNET_CACHE=${K8CONTIVNET_CACHE:-$work/cache}
version=$(LC_ALL=C grep -aom 1 '^# k8contivnet [^,]*, one file: ' dist/k8contivnet | sed 's/^# k8contivnet //; s/,.*//' || :)
[ -n "$version" ] || fail "dist/k8contivnet does not say its version"
arch=$(dpkg --print-architecture)
maintainer="${DEBFULLNAME:-k8contivnet} <${DEBEMAIL:-k8contivnet@localhost}>"
root=$work/root
doc=$root/usr/share/doc/k8contivnet
plugins=usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet

# Writes standard input to file $1 below the package's root.
put() {
  mkdir -p "$root/${1%/*}"
  cat >"$root/$1"
}

# Writes what the file prints with words $2... to file $1.
put_printed() {
  local path=$1
  shift
  ./dist/k8contivnet "$@" </dev/null >"$work/text" || fail "the file does not print its $*"
  put "$path" <"$work/text"
}

# ---- the file, and the names by which it is called

mkdir -p "$root/usr/bin" "$root/$plugins" "$root/usr/lib/cni"
install -m 755 dist/k8contivnet "$root/usr/bin/k8contivnet"
for name in netplugin netdcli kubectl-contiv; do ln -s k8contivnet "$root/usr/bin/$name"; done
ln -s ../../../../../../bin/k8contivnet "$root/$plugins/k8contivnet"
ln -s ../../bin/k8contivnet "$root/usr/lib/cni/k8contivnet" # where Debian's containerd, CRI-O and podman look

# ---- service, settings, completions, manual pages

sed -e '1,/^\[Unit\]/{/^\[Unit\]/!d}' -e 's|^ExecStart=[^ ]*|ExecStart=/usr/bin/k8contivnet|' \
  -e 's|^Documentation=.*|Documentation=man:k8contivnet(8)|' .ci/k8contivnet.service |
  put lib/systemd/system/k8contivnet.service
echo '{}' | put etc/k8contivnet/agent.json
put_printed usr/share/bash-completion/completions/k8contivnet completion bash
put_printed usr/share/zsh/vendor-completions/_k8contivnet completion zsh
put_printed usr/share/fish/vendor_completions.d/k8contivnet.fish completion fish
put_printed usr/share/man/man8/k8contivnet.8 docs man
gzip -9n "$root/usr/share/man/man8/k8contivnet.8"
for name in netplugin netdcli kubectl-contiv; do
  ln -s k8contivnet.8.gz "$root/usr/share/man/man8/$name.8.gz"
done

# ---- documents

put_printed usr/share/doc/k8contivnet/examples/10-k8contivnet.conflist kube conflist
put_printed usr/share/doc/k8contivnet/examples/intent.json intent example
put usr/share/doc/k8contivnet/README.Debian <<'END'
k8contivnet for Debian
----------------------

The agent is not started by the installation. Write its settings into
/etc/k8contivnet/agent.json, with the flags of "k8contivnet netplugin -h" as
keys, and start it:

  systemctl enable --now k8contivnet

Container runtimes call it once they have its configuration. Install that when
the agent answers ("k8contivnet status"), because they use it at once:

  install -m 644 /usr/share/doc/k8contivnet/examples/10-k8contivnet.conflist \
    /etc/cni/net.d/

The plugin is in /usr/lib/cni, where Debian's runtimes look for it. Others look
in /opt/cni/bin, which needs a link to /usr/bin/k8contivnet.

An upgrade starts a running agent again; pods stay connected. The removal of the
package removes /etc/cni/net.d/10-k8contivnet.conflist, unless that calls other
plugins, too, and stops the agent; its purge also removes /var/lib/k8contivnet.
Both leave the bridges of Open vSwitch, as pods may be attached:

  ovs-vsctl del-br contivBridge -- --if-exists del-br contivTunnel
END
{
  echo "k8contivnet is licensed under the Apache License, version 2.0; on Debian it is in
/usr/share/common-licenses/Apache-2.0.

Copyright $(date -u -d "@$SOURCE_DATE_EPOCH" +%Y) the authors of k8contivnet.

The file /usr/bin/k8contivnet contains, compressed, also these programs and
libraries, whose copyright is that of their authors:

  Deno, with V8 and others   MIT, BSD-3-Clause    https://deno.com
  musl                       MIT                  https://musl.libc.org"
  sed -n 's|^ *"[^"]*": "npm:\([^"]*\)@\([0-9.]*\)",*$|\1 \2|p' deno.json | while read -r name number; do
    [ "$name" = fast-check ] || printf '  %-27s%-21s%s\n' "$name $number" "$(
      case $name in yaml) echo ISC ;; @grpc/grpc-js) echo Apache-2.0 ;; *) echo MIT ;; esac
    )" "https://www.npmjs.com/package/$name"
  done
} | put usr/share/doc/k8contivnet/copyright
printf 'k8contivnet (%s) unstable; urgency=medium\n\n  * Version %s.\n\n -- %s  %s\n' "$version" "$version" \
  "$maintainer" "$(LC_ALL=C date -uR -d "@$SOURCE_DATE_EPOCH")" | put usr/share/doc/k8contivnet/changelog
gzip -9n "$doc/changelog"
put usr/share/lintian/overrides/k8contivnet <.ci/debian/lintian-overrides

# ---- the package

mkdir "$root/DEBIAN"
echo /etc/k8contivnet/agent.json >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 ".ci/debian/$script" "$root/DEBIAN/$script"; done
(cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
# As dpkg-gencontrol counts; what du prints depends on the file system.
size=$(find "$root" -path "$root/DEBIAN" -prune -o -printf '%y %s\n' |
  awk '{ sum += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print sum }')
cat >"$root/DEBIAN/control" <<END
Package: k8contivnet
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $size
Depends: iproute2, libc6 (>= 2.27), nftables, openvswitch-switch
Recommends: ethtool, iputils-ping
Suggests: tcpdump
Section: net
Priority: optional
Description: pods on their own VLANs and VXLANs, from one intent file
 k8contivnet connects the pods of Kubernetes, and containers without it, to
 networks that are written down in one file: VLANs and VXLANs of tenants whose
 addresses may overlap, with policies and routes to other networks.
 .
 One file is the agent of each host, which configures Open vSwitch; a plugin
 for container runtimes (CNI) and for old kubelets (exec); and the command line
 tool for operators.
END
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
# The program in the file is compressed already.
dpkg-deb --root-owner-group -Zgzip -z1 --build "$root" "$work/package.deb" >/dev/null
mv "$work/package.deb" "dist/k8contivnet_${version}_$arch.deb"
echo "dist/k8contivnet_${version}_$arch.deb"
