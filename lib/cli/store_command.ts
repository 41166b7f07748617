// `store copy FROM TO`: all records from one store to another, such as from SQLite to etcd.

import type { HealthAnswer } from "../agent/api.ts";
import { askAgent } from "../agent/client.ts";
import type { PresenceRecord } from "../intent/records.ts";
import type { CopyResult } from "../agent/store/copy_store.ts";
import { Fault, isUnreachable, oneLine } from "../util/errors.ts";
import { printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

const AGENT_MS = 3_000;

export const store: Command = {
  usage: "store copy FROM TO [--dry-run] [--force] [--etcd-ca FILE …] [-o table|json|yaml]\n" +
    "  copies all records from one store to another (sqlite:PATH, etcd[s]://HOST:2379/PREFIX) and compares them.\n" +
    "  Stop the agents first, and start them with --store TO then: running pods keep their networks and\n" +
    "  addresses. TO must be empty; --force replaces what it has\n" +
    "  e.g. k8contivnet store copy sqlite:/var/lib/k8contivnet/store.db etcd://127.0.0.1:2379/k8contivnet",
  run: async (shell) => {
    const [verb, from, to, ...rest] = shell.args;
    if (verb !== "copy" || !from || !to || rest.length > 0) {
      throw new Fault("usage", `store got "${shell.args.join(" ").slice(0, 60)}"`, {
        why: "it takes copy, and two stores",
        fix: "k8contivnet store copy FROM TO",
      });
    }
    if (from === to) throw new Fault("usage", "both stores are the same", { fix: "give another" });
    await mustExist(from);
    if (!shell.options.force) await mustBeUnused(shell, [from, to]);
    const result = await copy(shell, from, to);
    if (await printValue(shell, { ...result, dryRun: shell.options.dryRun })) return;
    const done = shell.options.dryRun ? "would copy" : "copied";
    const deleted = result.deleted > 0 ? `, ${result.deleted} deleted there` : "";
    shell.output.data(`${done}: ${result.written} of ${result.documents} documents${deleted}`);
  },
};

async function copy(shell: Shell, from: string, to: string): Promise<CopyResult> {
  const { options: { dryRun, force }, storeOptions } = shell;
  const [{ openStore }, { copyStore }, { withEnvironment }] = await Promise.all([
    import("../store/open_store.ts"),
    import("../agent/store/copy_store.ts"),
    import("./agent_or_store.ts"),
  ]);
  await using stack = new AsyncDisposableStack();
  const opened = async (url: string) => {
    const one = await openStore(url, withEnvironment(storeOptions));
    stack.defer(() => one.close());
    return one;
  };
  const [source, destination] = [await opened(from), await opened(to)];
  const hosts = liveHosts((await source.list("agents/")).entries, Date.now());
  if (hosts.length > 0) {
    shell.output.message(
      `warning: agents of ${oneLine(hosts.join(", "))} have written to the source a moment ago: ` +
        "stop them first, as what they write from now on is not copied",
    );
  }
  return await copyStore(source, destination, { isDry: dryRun, isForced: force });
}

// As agents count each other as silent.
const SILENT_BEATS = 2.5;

/** Returns the hosts whose heartbeats are not older than those of a running agent. */
export function liveHosts(
  entries: readonly { readonly value: unknown }[],
  nowMs: number,
): string[] {
  return entries.flatMap(({ value }) => {
    const { host, at, everyMs } = value as Partial<PresenceRecord>;
    if (host === undefined || at === undefined || everyMs === undefined) return [];
    return nowMs - Date.parse(at) < everyMs * SILENT_BEATS ? [host] : [];
  });
}

/** SQLite would create what is not there. Faults: not_found. */
async function mustExist(url: string): Promise<void> {
  const path = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(url)?.[1];
  if (path === undefined) return;
  const isThere = await Deno.stat(path).then(({ isFile }) => isFile, () => false);
  if (isThere) return;
  throw new Fault("not_found", `store ${url.slice(0, 200)} not found`, {
    fix: "see --store and --state-dir of the agent",
  });
}

/** Faults: conflict, if the agent of this host uses one of the stores. */
async function mustBeUnused({ socket }: Shell, urls: readonly string[]): Promise<void> {
  try {
    const health = await askAgent<HealthAnswer>({
      ...{ socket, method: "GET", path: "/v1/health", limitMs: AGENT_MS },
    });
    if (!urls.includes(health.store)) return;
    throw new Fault("conflict", `the agent of this host uses ${health.store}`, {
      why: "what it writes meanwhile would be lost",
      fix: "stop it (its pods keep their networks), copy, and start it with the other --store",
    });
  } catch (error) {
    if (!isUnreachable(error)) throw error;
  }
}
