// The permissions that an agent needs in Kubernetes, and no more: it lists and watches pods, namespaces and policies,
// and writes one annotation. With `pods/status` it cannot change what a pod runs, as it could with `pods`.

/** Returns the manifest for `kubectl apply -f -`: a service account in `namespace` and its permissions. */
export function rbacManifest(namespace: string): string {
  return `# Permissions of k8contivnet's agents.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: k8contivnet
  namespace: ${namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: k8contivnet
rules:
- apiGroups: [""]
  resources: [pods, namespaces]
  verbs: [list, watch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch]
# For the annotation k8s.v1.cni.cncf.io/network-status.
- apiGroups: [""]
  resources: [pods/status]
  verbs: [patch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: k8contivnet
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: k8contivnet
subjects:
- kind: ServiceAccount
  name: k8contivnet
  namespace: ${namespace}
`;
}
