// `store copy FROM TO`: all records from one store to another, such as from SQLite to etcd. `store backup FROM FILE`:
// the same into a file, while agents go on.

import type { HealthAnswer } from "../agent/api/agent_health.ts";
import { askAgent } from "../agent/client.ts";
import { isSilent } from "../intent/heartbeats.ts";
import type { PresenceRecord } from "../intent/records.ts";
import type { CopyResult } from "../agent/store/copy_store.ts";
import type { Store } from "../store/store.ts";
import { Fault, isUnreachable, oneLine } from "../util/errors.ts";
import { printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";
import { storeIdentity } from "./store_identity.ts";
import { wrongWords } from "./wrong_words.ts";

const AGENT_MS = 3_000;

export const store: Command = {
  usage:
    "store copy FROM TO | store backup FROM FILE [--dry-run] [--force] [--etcd-ca FILE …] [-o table|json|yaml]\n" +
    "  copy: all records from one store to another (sqlite:PATH, etcd[s]://HOST:2379/PREFIX), compared at the end.\n" +
    "  Stop the agents first, and start them with --store TO then: running pods keep their networks and\n" +
    "  addresses. TO must be empty; --force replaces what it has.\n" +
    "  backup: the records of one moment, into a new SQLite file; agents may run. To restore it, copy it back:\n" +
    '  see "k8contivnet docs operations"\n' +
    "  e.g. k8contivnet store copy sqlite:/var/lib/k8contivnet/store.db etcd://127.0.0.1:2379/k8contivnet",
  run: async (shell) => {
    const [verb = "", from, to, ...rest] = shell.args;
    const isKnown = verb === "copy" || verb === "backup";
    if (!isKnown || !from || !to || rest.length > 0) {
      throw wrongWords("store", shell.args, {
        takes: "copy and two stores, or backup, a store and a file",
        fix: "k8contivnet store copy FROM TO, or store backup FROM FILE",
      });
    }
    await (verb === "copy" ? runCopy : runBackup)(shell, from, to);
  },
};

async function runCopy(shell: Shell, from: string, to: string): Promise<void> {
  await mustDiffer(from, to);
  if (!shell.options.force) await mustBeUnused(shell, [from, to]);
  const result = await copy(shell, from, to);
  const { dryRun } = shell.options;
  if (await printValue(shell, { ...result, dryRun })) return;
  const deleted = result.deleted > 0 ? `, ${result.deleted} deleted there` : "";
  const done = dryRun ? "would copy" : "copied";
  shell.output.data(`${done}: ${result.written} of ${result.documents} documents${deleted}`);
}

async function runBackup(shell: Shell, from: string, path: string): Promise<void> {
  await mustBeUnused(shell, [`sqlite:${path}`]);
  await mustDiffer(from, `sqlite:${path}`);
  const { backUp } = await import("./store_backup.ts");
  const { documents } = await backUp(shell, from, path);
  const { dryRun } = shell.options;
  if (await printValue(shell, { documents, file: path, dryRun })) return;
  shell.output.data(`${dryRun ? "would save" : "saved"}: ${documents} documents in ${path}`);
}

/** Faults: usage. */
async function mustDiffer(from: string, to: string): Promise<void> {
  if (await storeIdentity(from) !== await storeIdentity(to)) return;
  throw new Fault("usage", "both stores are the same", { fix: "give another" });
}

async function copy(shell: Shell, from: string, to: string): Promise<CopyResult> {
  const { options: { dryRun, force }, storeOptions, long } = shell;
  const [{ openStore }, { openSource }, { copyStore }, { withEnvironment }] = await Promise.all([
    import("../store/open_store.ts"),
    import("./store_source.ts"),
    import("../agent/store/copy_store.ts"),
    import("./agent_or_store.ts"),
  ]);
  await using stack = new AsyncDisposableStack();
  const { source, destination, agents } = await long.run(
    { what: "opening the stores" },
    async () => {
      const source = await openSource(from, storeOptions);
      stack.defer(() => source.close());
      const destination = await openStore(to, withEnvironment(storeOptions));
      stack.defer(() => destination.close());
      const agents = { source: await hostsOf(source), destination: await hostsOf(destination) };
      return { source, destination, agents };
    },
  );
  warnOfAgents(shell, "source", agents.source);
  warnOfAgents(shell, "destination", agents.destination);
  const options = { isDry: dryRun, isForced: force };
  return await long.runToStop(
    { what: "store copy" },
    (course) => copyStore(source, destination, { ...options, ...course }),
  );
}

/** Returns the hosts whose agents use a store. */
async function hostsOf(used: Pick<Store, "list">): Promise<string[]> {
  return liveHosts((await used.list("agents/")).entries, Date.now());
}

function warnOfAgents(
  { output }: Shell,
  which: "source" | "destination",
  hosts: readonly string[],
): void {
  if (hosts.length === 0) return;
  const effect = which === "source"
    ? "what they write from now on is not copied"
    : "they see it change under their pods";
  output.message(
    `warning: agents of ${oneLine(hosts.join(", "))} wrote to the ${which} a moment ago: ` +
      `if they still run, stop them first, as ${effect}`,
  );
}

/** Returns the hosts whose heartbeats are not older than those of a running agent. */
export function liveHosts(
  entries: readonly { readonly value: unknown }[],
  nowMs: number,
): string[] {
  return entries.flatMap(({ value }) => {
    const record = value as Partial<PresenceRecord>;
    const { host, at } = record;
    if (host === undefined || at === undefined || record.lost) return [];
    return isSilent(record, nowMs) ? [] : [host];
  });
}

/** Faults: conflict, if the agent of this host uses one of the stores. */
async function mustBeUnused({ socket }: Shell, urls: readonly string[]): Promise<void> {
  try {
    const health = await askAgent<HealthAnswer>({
      ...{ socket, method: "GET", path: "/v1/health", limitMs: AGENT_MS },
    });
    const used = await Promise.all([health.store, ...urls].map(storeIdentity));
    if (!used.slice(1).some((one) => one === used[0])) return;
    throw new Fault("conflict", `the agent of this host uses ${health.store}`, {
      why: "what it writes meanwhile would be lost",
      fix: "stop it (its pods keep their networks), copy, and start it with the other --store",
    });
  } catch (error) {
    if (!isUnreachable(error)) throw error;
  }
}
