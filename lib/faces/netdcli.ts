// The one-shot tool of contiv/netplugin: four kinds of intent files, and `-oper get`. The flags are the original's, the
// answers ours: JSON on stdout, messages on stderr. It calls the local agent, or with -store works on a store.

import { parseArgs } from "@std/cli/parse-args";
import type { IntentRequest } from "../agent/api/intent_requests.ts";
import { originOf, processCaller } from "../cli/origin.ts";
import { readIntentFile } from "../cli/read_intent_file.ts";
import type { FaceFlag } from "../cli/face_flags.ts";
import { type LongWork, longWork } from "../cli/long_work.ts";
import { type Output, processOutput } from "../cli/output.ts";
import { type Run, runCommand } from "../cli/run_command.ts";
import type { Target } from "../cli/shell.ts";
import { agentTarget, storeTarget } from "../cli/agent_or_store.ts";
import { Fault } from "../util/errors.ts";
import { plainBooleans } from "../util/read_settings.ts";
import { doubleDashes } from "./netplugin_flags.ts";

const HELP = `netdcli: the intent tool of contiv/netplugin, kept for its users

  netdcli -cfg FILE                 make FILE the whole intent: what it does not name is deleted
  netdcli -add-cfg FILE             add and update what FILE describes
  netdcli -del-cfg FILE             delete the endpoints in FILE; networks named without endpoints;
                                    tenants named without networks
  netdcli -host-bindings-cfg FILE   pin endpoints to hosts and containers
  netdcli -oper get -construct network|endpoint|global ID

FILE is JSON, - is standard input. -tenant NAME restricts get; -socket PATH selects the agent, -store URL a store.
"k8contivnet apply", "plan" and "get" do the same and more.

example: netdcli -cfg intent.json`;

/** Flag and mode of apply, in the original's order of precedence. */
const MODES = [
  ["host-bindings-cfg", "bindings"],
  ["cfg", "replace"],
  ["del-cfg", "delete"],
  ["add-cfg", "add"],
] as const;

/** Kinds of `get` by the original's `-construct`. */
const KINDS: Readonly<Record<string, string>> = {
  network: "networks",
  endpoint: "endpoints",
  global: "tenants",
};

/** Runs netdcli; returns the exit code, of FAULT_CODES. */
export async function netdcliMain(args: readonly string[]): Promise<number> {
  let output = processOutput();
  const command = async ({ stack, interrupt }: Run) => {
    output = processOutput({ whileWriting: (write) => interrupt.whileWriting(write) });
    await dispatch(args, output, { stack, long: longWork(output, interrupt) });
    return 0;
  };
  return await runCommand(command, (message) => output.message(`netdcli: ${message}`));
}

/** Runs the command line. Faults: usage; those of the target. */
async function dispatch(
  args: readonly string[],
  output: Output,
  { stack, long }: { readonly stack: AsyncDisposableStack; readonly long: LongWork },
): Promise<void> {
  const flags = parse(args);
  if (flags.isHelp || args.length === 0) return output.data(HELP);
  const { store, socket, mode } = flags;
  const target = store ? await storeTarget(store, {}, { stack, long }) : agentTarget(socket, long);
  const [word, ...rest] = flags.names;
  if (!word || rest.length > 0) {
    throw new Fault("usage", `netdcli got ${flags.names.length} arguments`, {
      why: "it takes one file or id",
      fix: "see netdcli -help",
    });
  }
  if (mode) {
    const text = await readIntentFile(word);
    return await applyFile(target, { mode, text, origin: originOf(processCaller(), word) }, output);
  }
  await get(target, { ...flags, id: word }, output);
}

/** The parsed command line. */
interface Flags {
  /** Arguments that are not flags: a file or an id. */
  readonly names: readonly string[];
  readonly mode: IntentRequest["mode"] | undefined;
  readonly isHelp: boolean;
  readonly oper: string | undefined;
  readonly construct: string | undefined;
  readonly tenant: string | undefined;
  readonly store: string | undefined;
  readonly socket: string | undefined;
}

/** The flags that are true without a value. */
const BOOLEANS = ["host-bindings-cfg", "cfg", "del-cfg", "add-cfg", "help"] as const;
/** The flags with a value. */
const TEXTS = ["oper", "construct", "tenant", "store", "socket"] as const;

/** All flags, for completion. */
export const NETDCLI_FLAGS: readonly FaceFlag[] = [
  { name: "cfg", value: "", help: "make FILE the whole intent" },
  { name: "add-cfg", value: "", help: "add and update what FILE describes" },
  { name: "del-cfg", value: "", help: "delete what FILE names" },
  { name: "host-bindings-cfg", value: "", help: "pin endpoints to hosts and containers" },
  { name: "oper", value: "get", help: "print an object" },
  { name: "construct", value: Object.keys(KINDS).join("|"), help: "kind of that object" },
  { name: "tenant", value: "NAME", help: "its tenant" },
  { name: "store", value: "URL", help: "work on this store, without an agent" },
  { name: "socket", value: "PATH", help: "the agent's socket" },
  { name: "help", value: "", help: "what each flag does" },
];

/** Parses flags with one or two dashes. Faults: usage. */
function parse(args: readonly string[]): Flags {
  const { _, ...given } = parseArgs(plainBooleans(doubleDashes(args), BOOLEANS), {
    boolean: BOOLEANS,
    string: [...TEXTS, "_"],
    alias: { help: "h" },
    unknown: (arg, key) => {
      if (key === undefined) return;
      throw new Fault("usage", `unknown flag ${arg.slice(0, 60)}`, {
        fix: "see netdcli -help",
      });
    },
  });
  const { oper, construct, tenant, store, socket } = given;
  const mode = MODES.find(([flag]) => given[flag])?.[1];
  return { names: _.map(String), mode, isHelp: given.help, oper, construct, tenant, store, socket };
}

/** Applies an intent file and prints what changed, to stderr. */
async function applyFile(target: Target, request: IntentRequest, output: Output): Promise<void> {
  const { operations, warnings } = await target.apply(request);
  for (const warning of warnings) output.message(`warning: ${warning}`);
  for (const { verb, kind, name } of operations) output.message(`${verb} ${kind} ${name}`);
}

/** Prints the object that `-oper get` names as JSON. Faults: usage, not_found. */
async function get(
  target: Target,
  query: Pick<Flags, "oper" | "construct" | "tenant"> & { readonly id: string },
  output: Output,
): Promise<void> {
  const kind = KINDS[query.construct ?? ""];
  if (query.oper !== "get" || !kind) {
    throw new Fault(
      "usage",
      `-oper ${query.oper ?? ""} -construct ${query.construct ?? ""} is not supported`,
      {
        why: "only get of network, endpoint and global is",
        fix: 'change the intent with "k8contivnet apply"',
      },
    );
  }
  const items = await target.list(kind);
  const found = items.filter((item) => isNamed(item, query.id, query.tenant));
  if (found.length === 0) {
    throw new Fault("not_found", `no ${query.construct} "${query.id}"`, {
      fix: `see k8contivnet get ${kind}`,
    });
  }
  // Readers of the original's output expect the key IpAddress.
  const shown = found.map((item) => item.address ? { ...item, IpAddress: item.address } : item);
  output.data(JSON.stringify(shown.length === 1 ? shown[0] : shown, null, 2));
}

/** Reports whether `id` names the item; the original named an endpoint `<network>-<container>`. */
function isNamed(item: Readonly<Record<string, unknown>>, id: string, tenant?: string): boolean {
  if (tenant && (item.tenant ?? item.name) !== tenant) return false;
  return item.endpoint === undefined ? item.name === id : `${item.network}-${item.endpoint}` === id;
}
