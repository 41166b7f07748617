// Runs a user's command in a pod's network namespace: this process becomes the command, so that its signals, terminal
// and exit code are the command's own, and nothing of ours is left if it is killed.

import { becomeIn } from "../../net/netlink/become_in.ts";
import type { Refusal } from "../../net/netlink/libc.ts";
import type { SandboxAnswer } from "../api/diagnosis_requests.ts";

/** Variables that the launcher sets for our own program: another Deno would take ours for its cache. */
const OURS =
  /^(DENO_(DIR|NO_UPDATE_CHECK|NO_PACKAGE_JSON|DISABLE_NODE_SHIM|V8_FLAGS)|K8CONTIVNET_(ARGV0|BUILD|GLIBC))$/;

/**
 * Becomes `command` in the pod's network namespace; returns, with the reason, only if the command cannot be executed.
 * Faults: not_found, if the namespace is gone; failed, without permission.
 */
export function becomeInSandbox(
  { netns, netnsInode }: Pick<SandboxAnswer, "netns" | "netnsInode">,
  command: readonly string[],
): Refusal {
  for (const name of Object.keys(Deno.env.toObject())) if (OURS.test(name)) Deno.env.delete(name);
  return becomeIn({ netns, netnsInode }, command);
}
