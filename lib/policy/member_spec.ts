// A set of endpoints by what its members have in common.

import type { LabelSelector } from "../util/label_selectors.ts";

/** What makes an endpoint a member. */
export type MemberSpec =
  | { readonly kind: "group"; readonly tenant: string; readonly group: string }
  /** Pods whose labels are not known yet. */
  | { readonly kind: "unknown_labels"; readonly namespace: string }
  | {
    readonly kind: "pods";
    /** Either one namespace, or those that the selector matches; all where both are absent. */
    readonly namespace?: string | undefined;
    readonly namespaceSelector?: LabelSelector | undefined;
    /** All where absent. */
    readonly podSelector?: LabelSelector | undefined;
  };
