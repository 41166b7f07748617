// The original's one-shot tool: four kinds of intent files, and `-oper get`. Its words, our answers:
// output is JSON on stdout, words go to stderr. It asks the local agent, or with -store a store.

import { parseArgs } from "@std/cli/parse-args";
import type { IntentRequest } from "../agent/api.ts";
import { readIntentFile } from "../cli/read_intent_file.ts";
import { type Output, processOutput } from "../cli/output.ts";
import type { Target } from "../cli/shell.ts";
import { agentTarget, storeTarget } from "../cli/agent_or_store.ts";
import { Fault, FAULT_CODES, faultFrom } from "../util/errors.ts";
import { doubleDashes } from "./netplugin_flags.ts";

const HELP = `netdcli: the intent tool of contiv/netplugin, kept for its users

  netdcli -cfg FILE                 FILE is all that shall be: what it does not name is deleted
  netdcli -add-cfg FILE             add and update what FILE says
  netdcli -del-cfg FILE             delete the endpoints in FILE; networks named without endpoints;
                                    tenants named without networks
  netdcli -host-bindings-cfg FILE   pin endpoints to hosts and containers
  netdcli -oper get -construct network|endpoint|global ID

FILE is JSON, - is standard input. -tenant NAME narrows get; -socket PATH or -store URL name whom to
ask. "k8contivnet apply", "plan" and "get" do the same and more.

example: netdcli -cfg intent.json`;

// In the original's order of precedence.
const MODES = [
  ["host-bindings-cfg", "bindings"],
  ["cfg", "replace"],
  ["del-cfg", "delete"],
  ["add-cfg", "add"],
] as const;

const KINDS: Readonly<Record<string, string>> = {
  network: "networks",
  endpoint: "endpoints",
  global: "tenants",
};

/** Runs netdcli; gives the exit code. */
export async function netdcliMain(args: readonly string[]): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const output = processOutput(false);
  try {
    await dispatch(args, output, stack);
    return 0;
  } catch (error) {
    const fault = faultFrom(error);
    output.words(`netdcli: ${fault.message}`);
    return FAULT_CODES[fault.code].exit;
  }
}

async function dispatch(
  args: readonly string[],
  output: Output,
  stack: AsyncDisposableStack,
): Promise<void> {
  const flags = parse(args);
  if (flags.isHelp || args.length === 0) return output.data(HELP);
  const { store, socket, mode } = flags;
  const target = store ? await storeTarget(store, {}, stack) : agentTarget(socket);
  const [word, ...rest] = flags.names;
  if (!word || rest.length > 0) {
    throw new Fault("usage", `netdcli got ${flags.names.length} names`, {
      why: "it takes one file or id",
      fix: "see netdcli -help",
    });
  }
  if (mode) return await applyFile(target, { mode, text: await readIntentFile(word) }, output);
  await get(target, { ...flags, id: word }, output);
}

/** What the command line says. */
interface Flags {
  readonly names: readonly string[];
  readonly mode: IntentRequest["mode"] | undefined;
  readonly isHelp: boolean;
  readonly oper: string | undefined;
  readonly construct: string | undefined;
  readonly tenant: string | undefined;
  readonly store: string | undefined;
  readonly socket: string | undefined;
}

function parse(args: readonly string[]): Flags {
  const { _, ...given } = parseArgs(doubleDashes(args), {
    boolean: ["host-bindings-cfg", "cfg", "del-cfg", "add-cfg", "help"],
    string: ["oper", "construct", "tenant", "store", "socket", "_"],
    alias: { help: "h" },
    unknown: (arg, key) => {
      if (key === undefined) return;
      throw new Fault("usage", `netdcli has no flag ${arg.slice(0, 60)}`, {
        fix: "see netdcli -help",
      });
    },
  });
  const { oper, construct, tenant, store, socket } = given;
  const mode = MODES.find(([flag]) => given[flag])?.[1];
  return { names: _.map(String), mode, isHelp: given.help, oper, construct, tenant, store, socket };
}

async function applyFile(target: Target, request: IntentRequest, output: Output): Promise<void> {
  const { operations, warnings } = await target.apply(request);
  for (const warning of warnings) output.words(`warning: ${warning}`);
  for (const { verb, kind, name } of operations) output.words(`${verb} ${kind} ${name}`);
}

async function get(
  target: Target,
  wish: Pick<Flags, "oper" | "construct" | "tenant"> & { readonly id: string },
  output: Output,
): Promise<void> {
  const kind = KINDS[wish.construct ?? ""];
  if (wish.oper !== "get" || !kind) {
    throw new Fault("usage", `netdcli cannot do -oper ${wish.oper ?? ""} on this`, {
      why: "only get of network, endpoint and global is left of it",
      fix: 'change the intent with "k8contivnet apply"',
    });
  }
  const items = await target.list(kind);
  const found = items.filter((item) => isMeant(item, wish.id, wish.tenant));
  if (found.length === 0) {
    throw new Fault("not_found", `no ${wish.construct} "${wish.id}"`, {
      fix: `see k8contivnet get ${kind}`,
    });
  }
  // The original's readers look for the key IpAddress.
  const shown = found.map((item) => item.address ? { ...item, IpAddress: item.address } : item);
  output.data(JSON.stringify(shown.length === 1 ? shown[0] : shown, null, 2));
}

/** The original named an endpoint `<network>-<container>`. */
function isMeant(item: Readonly<Record<string, unknown>>, id: string, tenant?: string): boolean {
  if (tenant && (item.tenant ?? item.name) !== tenant) return false;
  return item.endpoint === undefined ? item.name === id : `${item.network}-${item.endpoint}` === id;
}
