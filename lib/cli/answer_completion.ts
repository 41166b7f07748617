// What the hidden command __complete answers to a shell, with names from the agent.

import { askAgent } from "../agent/client.ts";
import { agentSocket } from "./agent_or_store.ts";
import type { NameKind } from "./command_table.ts";
import { type Candidate, completeWords, type NameSource } from "./complete_words.ts";
import { FILES_LINE } from "./completion_scripts.ts";
import type { FaceFlags } from "./face_flags.ts";

/** So long the user waits for names before there are none. */
const LIMIT_MS = 800;

/** Returns the lines that answer a shell: a word, a tab and what it is, or FILES_LINE. Never throws. */
export async function completionLines(
  words: readonly string[],
  faces: FaceFlags,
): Promise<string[]> {
  const names = namesFrom(agentSocket(socketIn(words)));
  const { candidates, isFile } = await completeWords(words, { names, faces });
  if (isFile) return [FILES_LINE];
  return candidates.map(({ value, help }) => help === "" ? value : `${value}\t${help}`);
}

/** Returns the socket that the command line names. */
function socketIn(words: readonly string[]): string | undefined {
  const at = words.indexOf("--socket");
  const next = words[at + 1] === "=" ? words[at + 2] : words[at + 1];
  const joined = words.find((one) => one.startsWith("--socket="))?.slice("--socket=".length);
  return (at < 0 ? undefined : next || undefined) ?? (joined || undefined);
}

/** Returns where names come from: the agent, which has little time, and may not be there. */
function namesFrom(socket: string): NameSource {
  return async (kind, of) => {
    const late = Promise.withResolvers<readonly Item[]>();
    const timer = setTimeout(() => late.resolve([]), LIMIT_MS);
    const asked = askAgent<readonly Item[]>({
      ...{ socket, method: "GET", limitMs: LIMIT_MS, path: `/v1/${pathOf(kind, of.items)}` },
    });
    const items = await Promise.race([asked, late.promise]).catch(() => []);
    clearTimeout(timer);
    const namespace = of.namespace ?? "default";
    return items.flatMap((item) =>
      candidateOf(pathOf(kind, of.items), kind, item, namespace) ?? []
    );
  };
}

/** An item of `get`, as far as names need it. */
interface Item {
  readonly name?: unknown;
  readonly namespace?: unknown;
  readonly tenant?: unknown;
  readonly network?: unknown;
  readonly endpoint?: unknown;
  readonly revision?: unknown;
  readonly source?: unknown;
  readonly pod?: unknown;
}

function pathOf(kind: NameKind, items: string): string {
  if (kind === "pods" || kind === "namespaces") return "attachments";
  if (kind === "revisions") return "history";
  if (kind !== "items") return kind;
  return /^[a-z]+$/.test(items) ? (items === "pods" ? "attachments" : items) : "hosts";
}

function candidateOf(
  path: string,
  kind: NameKind,
  item: Item,
  namespace: string,
): Candidate | undefined {
  const value = valueOf(path, kind, item, namespace);
  if (value === undefined) return undefined;
  return { value, help: kind === "revisions" ? String(item.source ?? "") : "" };
}

function valueOf(path: string, kind: NameKind, item: Item, namespace: string): string | undefined {
  const { name, tenant, network, endpoint, revision } = item;
  if (path === "history") return revision === undefined ? undefined : String(revision);
  if (path === "attachments") {
    const pod = (item.pod ?? {}) as { readonly namespace?: string; readonly name?: string };
    if (kind === "namespaces") return pod.namespace;
    return pod.namespace === namespace ? pod.name : `${pod.namespace}/${pod.name}`;
  }
  if (path === "endpoints") return `${tenant}/${network}/${endpoint}`;
  if (path === "events") return typeof item.pod === "string" ? item.pod : undefined;
  if (path === "networks") return `${tenant}/${name}`;
  return typeof name === "string" ? name : undefined;
}
