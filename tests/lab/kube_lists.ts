// Fresh lists of what a host follows in its cluster, as the admin gets them: they share no code with ours.

import type { Kube } from "./kube.ts";

/** Where the kinds are listed. */
export const LISTS = {
  pods: "/api/v1/pods",
  namespaces: "/api/v1/namespaces",
  policies: "/apis/networking.k8s.io/v1/networkpolicies",
} as const;

/** An object of a list. */
export interface Listed {
  readonly metadata: {
    readonly uid: string;
    readonly namespace?: string;
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
}

/** Returns all of a kind. */
export async function listed(kube: Kube, kind: keyof typeof LISTS): Promise<Listed[]> {
  return (await kube.ask("GET", LISTS[kind])).items as Listed[];
}

/** Returns where that kind's objects of a namespace are made. */
export function folderOf(kind: "pods" | "policies", namespace: string): string {
  return LISTS[kind].replace("/v1/", `/v1/namespaces/${namespace}/`);
}
