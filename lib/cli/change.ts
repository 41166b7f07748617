// `apply`, `delete`, `bind`, `rollback`: change the intent in the store.

import { Fault } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName, parseSandboxId } from "../util/names.ts";
import {
  applyMode,
  asGiven,
  type AskedChange,
  intentRequest,
  rollbackRequest,
} from "./intent_request.ts";
import { hintAtRevision, wayBack } from "./known_revisions.ts";
import { originOf } from "./origin.ts";
import { showChanges } from "./show_changes.ts";
import type { Command, Shell } from "./shell.ts";

export const apply: Command = {
  usage: "apply -f FILE [--prune] [--dry-run] [--strict] [--force]\n" +
    "  adds and updates what FILE describes. What FILE names, it describes in full: a field that it leaves out of\n" +
    "  a network or endpoint is taken away there, and Groups or Policies of a tenant replace all that it has.\n" +
    "  Networks and endpoints that it does not name stay. To change one thing, use edit.\n" +
    "  --prune also deletes everything else, also endpoints of running pods, which are detached: plan --prune\n" +
    "  -f FILE shows them first.\n" +
    "  A network or host is refused if endpoints or pods that stay need it: --force deletes it with what\n" +
    "  is below it, and detaches these pods. --strict refuses keys that are not known, such as misspelled\n" +
    "  ones, which are only warned of otherwise\n" +
    "  e.g. k8contivnet apply -f intent.json",
  run: async (shell) => {
    await change(shell, await intentRequest(shell, applyMode(shell)));
  },
};

export const rollback: Command = {
  usage: "rollback REV [--dry-run] [--force]\n" +
    "  makes the intent what it was after revision REV (0: before the first), as a new revision;\n" +
    "  --force also detaches pods whose endpoints did not exist then, and attaches those again that had other\n" +
    "  addresses; --dry-run shows what would change, and plan (see plan -h) also host by host, with the pods\n" +
    "  that would be cut off\n" +
    "  e.g. k8contivnet rollback 12",
  run: async (shell) => {
    const [revision, ...rest] = shell.args;
    if (!revision || rest.length > 0) {
      throw new Fault("usage", `rollback got ${shell.args.length} arguments`, {
        why: "it takes 1",
        fix: await wayBack(shell),
      });
    }
    await change(shell, asGiven(rollbackRequest(shell, revision)));
  },
};

export const remove: Command = {
  usage: "delete -f FILE [--dry-run] [--force]\n" +
    "  deletes the endpoints in FILE, networks named without endpoints, tenants without networks, and hosts,\n" +
    '  for which the name is enough: {"Hosts": [{"Name": "host3"}]}. An endpoint that FILE names is deleted\n' +
    "  also if its pod runs: the pod is detached. A network, tenant or host is refused if something that stays\n" +
    "  needs it: --force deletes it with what is below it. --dry-run shows what would be deleted\n" +
    "  e.g. k8contivnet delete -f old.json",
  run: async (shell) => await change(shell, await intentRequest(shell, "delete")),
};

export const bind: Command = {
  usage: "bind POD HOST [ID]\n" +
    "  pins the endpoints of POD to HOST, and to the container ID where given\n" +
    "  e.g. k8contivnet bind myPod1 host1",
  run: async (shell) => {
    const [pod, host, id, ...rest] = shell.args;
    if (!pod || !host || rest.length > 0) {
      throw new Fault("usage", `bind got ${shell.args.length} arguments`, {
        why: "it takes 2 or 3",
        fix: "bind POD HOST [ID]",
      });
    }
    const binding = {
      Container: parseName("pod", pod, LONG_NAME_LIMIT),
      Host: parseName("host", host, LONG_NAME_LIMIT),
      ...(id ? { AttachUUID: parseSandboxId(id) } : {}),
    };
    const answer = await shell.target.apply({
      ...{ mode: "bindings", text: JSON.stringify([binding]) },
      origin: originOf(shell.caller, "bind"),
    });
    await showChanges(shell, answer, "bound");
  },
};

/** Applies the request, or plans it with --dry-run, and prints what came of it. */
async function change(shell: Shell, { request, placed }: AskedChange): Promise<void> {
  const { target, options: { dryRun } } = shell;
  const answer = await placed(() => dryRun ? target.plan(request) : target.apply(request));
  await showChanges(shell, answer, dryRun ? "would change" : "changed");
  await hintAtRevision(shell, request, answer);
}
