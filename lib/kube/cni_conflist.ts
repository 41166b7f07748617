// The CNI configuration by which container runtimes call the file, as install.sh and the agents' DaemonSet install
// it. "cniVersions" is for runtimes that know version 1.1.0 of CNI; the others read "cniVersion".

/** The text of `10-k8contivnet.conflist`. */
export const CNI_CONFLIST = `{
  "cniVersion": "1.0.0",
  "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
  "name": "k8contivnet",
  "plugins": [
    {
      "type": "k8contivnet",
      "ports": "warm",
      "capabilities": { "io.kubernetes.cri.pod-annotations": true, "dns": true, "ips": true, "mac": true, "portMappings": true }
    }
  ]
}
`;
