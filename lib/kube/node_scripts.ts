// The shell scripts of the agents' DaemonSet. They run in the image, where commands are the node's, and install as
// install.sh does: by a temporary file and a rename, and the CNI configuration last, once the agent answers.

import { FILE_IN_IMAGE, NODE_ROOT } from "./node_image.ts";

/** Where the containers see the node's folder of CNI plugins. */
export const PLUGINS = "/node/bin";

/** Where they see the node's folder of CNI configurations. */
export const CONFIGURATIONS = "/node/net.d";

/** Where they see the ConfigMap. */
export const CONFIG = "/etc/k8contivnet";

/** Where they see the Secret with certificates for etcd. */
export const ETCD_CERTIFICATES = "/etc/k8contivnet-etcd";

/** Installs the file as a CNI plugin. Ends with 1 on a node with an agent of its own. */
export const INSTALL_FILE = `set -eu
file=${FILE_IN_IMAGE}
for folder in etc/systemd/system usr/lib/systemd/system lib/systemd/system; do
  if [ -e "${NODE_ROOT}/$folder/k8contivnet.service" ]; then
    echo "this node has an agent of its own, by /$folder/k8contivnet.service: remove that first, by \\"install.sh install --uninstall\\" or apt-get"
    exit 1
  fi
done
# The first start unpacks the program, and says what is missing for it on this node.
"$file" version
new=${PLUGINS}/.k8contivnet.new
rm -f "$new"
cp "$file" "$new"
chmod 755 "$new"
if cmp -s "$new" ${PLUGINS}/k8contivnet; then
  rm "$new"
else
  sync "$new" || sync
  mv -f "$new" ${PLUGINS}/k8contivnet
  echo "installed the file in the folder of CNI plugins"
fi
`;

/** Installs the CNI configuration once the agent answers, and again if it is changed or lost. Never ends. */
export const INSTALL_CONFIGURATION = `set -eu
wanted=${CONFIG}/cni.conflist
name=10-k8contivnet.conflist
new=${CONFIGURATIONS}/.k8contivnet.new
status() {
  printf '%s' '{"cniVersion":"1.1.0","name":"k8contivnet","type":"k8contivnet"}' |
    CNI_COMMAND=STATUS CNI_PATH=${PLUGINS} ${FILE_IN_IMAGE} 2>/dev/null
}
said=
while :; do
  # Some nodes have no cmp.
  if [ "$(cat "$wanted")" != "$(cat "${CONFIGURATIONS}/$name" 2>/dev/null)" ]; then
    if answer=$(status); then
      cp "$wanted" "$new"
      chmod 644 "$new"
      sync "$new" || sync
      mv -f "$new" "${CONFIGURATIONS}/$name"
      echo "installed $name: container runtimes call the agent"
      said=
      for other in ${CONFIGURATIONS}/*; do
        case $other in
          */$name) break ;;
          *.conf | *.conflist | *.json) echo "note: \${other##*/} sorts before $name, so container runtimes use that network" ;;
        esac
      done
    else
      answer=$(printf '%s' "$answer" | sed -n 's/.*"msg":"\\([^"]*\\)".*/\\1/p')
      [ "$answer" = "$said" ] || echo "waiting for the agent: \${answer:-it does not answer}"
      said=$answer
    fi
  fi
  sleep 2
done
`;
