// The rights that an agent asks for in Kubernetes, one by one: those of the manifest in rbac.ts.

/** A verb on a resource, in all namespaces. */
export interface Right {
  /** Empty for the core group. */
  readonly group: string;
  readonly verb: string;
  readonly resource: string;
  readonly subresource?: string;
}

const CORE = "";
const NETWORKING = "networking.k8s.io";

/** All of them. */
export const NEEDED_RIGHTS: readonly Right[] = [
  ...["list", "watch"].flatMap((verb) => [
    { group: CORE, verb, resource: "pods" },
    { group: CORE, verb, resource: "namespaces" },
    { group: NETWORKING, verb, resource: "networkpolicies" },
  ]),
  { group: CORE, verb: "patch", resource: "pods", subresource: "status" },
];
