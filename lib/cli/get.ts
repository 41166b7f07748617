// `get KIND [NAME]`: what the agent or the store knows, as a table, as JSON, YAML or names. A column is one line
// in COLUMNS, or in WIDE when only `-o wide` shows it.

import { pause } from "../util/async/pause.ts";
import { unlessAborted } from "../util/async/unless_aborted.ts";
import { Fault, oneLine } from "../util/errors.ts";
import { type Item, named } from "../agent/server/item_names.ts";
import { sortedBy } from "./item_fields.ts";
import { nearest } from "./nearest.ts";
import { createSelector, fieldsOf } from "./selector.ts";
import { shortSandbox, withSandboxesApart } from "./sandbox_column.ts";
import { changePrinter, type Column, showItems } from "./show_items.ts";
import { watchItems } from "./watch_items.ts";
import type { Command, Shell } from "./shell.ts";

/** Shows a field of the item; a list joined by commas, `-` for nothing. */
const text = (key: string) => (item: Item): string => {
  const value = item[key];
  if (value === undefined || value === "" || value === null) return "-";
  return Array.isArray(value) ? value.join(",") || "-" : String(value);
};

/** Shows the pod as `NAMESPACE/NAME`. */
const podOf = (item: Item): string => {
  const pod = item.pod as { namespace: string; name: string };
  return `${pod.namespace}/${pod.name}`;
};

/** Shows whether a network has its subnet in the hosts' stacks, or which one has. */
const stackOf = ({ owner, aliasedBecause }: Item): string =>
  owner ? "owner" : aliasedBecause === undefined ? "-" : `aliased, because of ${aliasedBecause}`;

/** Shows what the rules of a policy say; an agent of an older version does not know. */
const ruleTexts = ({ ruleTexts }: Item): string =>
  Array.isArray(ruleTexts) ? ruleTexts.join("; ") || "-" : "-";

/** The columns of each kind, in order. */
const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  hosts: [["NAME", text("name")], ["UPLINK", text("intf")], ["VTEP", text("vtepIp")]],
  tenants: [
    ["NAME", text("name")],
    ["TYPE", text("defaultNetType")],
    ["POOL", text("subnetPool")],
    ["VLANS", text("vlans")],
    ["VNIS", text("vxlans")],
  ],
  networks: [
    ["TENANT", text("tenant")],
    ["NETWORK", text("name")],
    ["ENCAP", text("encap")],
    ["TAG", text("tag")],
    ["SUBNET", text("subnet")],
    ["GATEWAY", text("gateway")],
  ],
  endpoints: [
    ["TENANT", text("tenant")],
    ["NETWORK", text("network")],
    ["ENDPOINT", text("endpoint")],
    ["ADDRESS", text("address")],
    ["PINNED", text("host")],
    ["BOUND", text("boundTo")],
  ],
  attachments: [
    ["POD", podOf],
    ["NETWORK", (item) => item.network === "" ? "-" : `${item.tenant}/${item.network}`],
    ["INTERFACE", text("interface")],
    ["ADDRESS", text("addresses")],
    ["VLAN", (item) => item.vlan === 0 ? "-" : String(item.vlan)],
    ["STATE", text("state")],
    ["SANDBOX", shortSandbox],
    ["REASON", text("reason")],
  ],
  groups: [
    ["TENANT", text("tenant")],
    ["GROUP", text("name")],
    ["NETWORK", text("network")],
    ["POLICIES", text("policies")],
    ["ENDPOINTS", text("endpoints")],
  ],
  policies: [
    ["POLICY", text("name")],
    ["SOURCE", text("source")],
    ["RULES", text("rules")],
    ["GROUPS", text("groups")],
    ["GUARDED HERE", text("guarded")],
    ["DROPS HERE", text("drops")],
  ],
  pods: [
    ["NAMESPACE", text("namespace")],
    ["NAME", text("name")],
    ["NETWORK", text("networks")],
    ["IP", text("ips")],
    ["NODE", text("node")],
  ],
  events: [
    ["AT", text("at")],
    ["KIND", text("kind")],
    ["POD", text("pod")],
    ["NETWORK", text("network")],
    ["ADDRESS", text("address")],
    ["MESSAGE", text("message")],
  ],
};

/** The columns that `-o wide` adds at the end. */
const WIDE: Readonly<Record<string, readonly Column[]>> = {
  attachments: [["HOST", text("host")], ["MAC", text("mac")]],
  endpoints: [
    ["NAMESPACE", text("namespace")],
    ["GENERATION", text("generation")],
    ["BY", text("rule")],
    ["GROUP", text("group")],
  ],
  hosts: [["NODE", text("node")], ["NAT", text("nat")]],
  networks: [
    ["DESCRIPTION", text("description")],
    ["GATEWAY TYPE", text("gatewayType")],
    ["REACH", text("reach")],
    ["HOSTS' STACKS", stackOf],
  ],
  policies: [["RULE TEXTS", ruleTexts]],
};

const KINDS = Object.keys(COLUMNS);

export const get: Command = {
  usage: "get KIND [NAME] [-o FORMAT] [-n NAMESPACE | -A] [-l SELECTOR] [--sort-by FIELD] [-w]\n" +
    `  kinds: ${KINDS.join(", ")}; pods are those of NAMESPACE ("default"), or of all with -A.\n` +
    "  -l selects by fields and labels, as in tenant=shop,app!=db; a list by any member, addresses also without\n" +
    "  /24; write labels.KEY for a label whose name is that of a field, or near one.\n" +
    "  -w goes on and shows what changes.\n" +
    "  FORMAT: table, wide, json, yaml, name, or custom-columns=HEAD:FIELD,…\n" +
    "  GUARDED HERE and DROPS HERE: pods of this host, and packets that this host's\n" +
    "  switch has dropped since the policy was installed in it: a restart of Open vSwitch begins at 0.\n" +
    KINDS.map((kind) => `  fields of ${kind}: ${fieldsOf(kind).join(", ")}\n`).join("") +
    "  e.g. k8contivnet get attachments -o custom-columns=POD:pod.name,IP:addresses --sort-by addresses",
  run: async (shell) => {
    const [word, name, ...rest] = shell.args;
    const kind = KINDS.find((one) =>
      one === word || one === `${word}s` || one.replace(/ies$/, "y") === word
    );
    if (!kind) {
      const what = word ? `"${word.slice(0, 60)}" is not a kind` : "get needs a kind";
      const near = word && (KINDS.find((one) => one.startsWith(word)) ?? nearest(word, KINDS));
      throw new Fault("usage", what, {
        fix: `${near ? `did you mean ${near}? ` : ""}kinds: ${KINDS.join(", ")}`,
      });
    }
    if (rest.length > 0) {
      throw new Fault("usage", `get got ${shell.args.length} arguments`, {
        fix: "get KIND [NAME]",
      });
    }
    await getKind(shell, kind, name);
  },
};

export const events: Command = {
  usage: "events [POD|KIND] [-o FORMAT] [-l SELECTOR] [-w]\n" +
    "  the last 1,000 events of this host: pods attached and detached, repairs, drops (--log-drops), a store\n" +
    "  that was lost and so on, with reasons; of one pod, or of one kind; -w goes on. POD of a drop is the one\n" +
    "  whose policy dropped the packet; the field peer has the other one, which finds it, too\n" +
    "  e.g. k8contivnet events default/web-0 -w",
  run: async (shell) => {
    const [name, ...rest] = shell.args;
    if (rest.length > 0) {
      throw new Fault("usage", `events got ${shell.args.length} arguments`, {
        fix: "events [POD|KIND]",
      });
    }
    await getKind(shell, "events", name);
  },
};

async function getKind(shell: Shell, kind: string, name: string | undefined): Promise<void> {
  const { options, output, interrupt } = shell;
  if (options.namespace !== undefined && !NAMESPACED.includes(kind)) {
    throw new Fault("usage", `${kind} have no namespace`, {
      fix: `leave -n out; kinds with one: ${NAMESPACED.join(", ")}`,
    });
  }
  const select = options.selector === undefined
    ? undefined
    : createSelector(kind, options.selector, output.message);
  const list = async (): Promise<readonly Item[]> => {
    const all = within(shell, kind, name, await shell.target.list(kind, name));
    const items = select ? select(all) : all;
    return options.sortBy === undefined ? items : sortedBy(items, options.sortBy);
  };
  const columns = [...COLUMNS[kind] ?? [], ...options.format === "wide" ? WIDE[kind] ?? [] : []];
  if (options.watch) {
    using _held = interrupt.hold();
    await watchItems({
      list: () => unlessAborted(list(), interrupt.signal),
      show: changePrinter(shell, columns),
      warn: output.message,
      wait: async () => {
        await pause(WATCH_MS, interrupt.signal);
        return !interrupt.signal.aborted && !output.isClosed();
      },
    }).catch((error) => {
      if (!interrupt.signal.aborted) throw error;
    });
    return output.note(`watch of ${kind} ended`);
  }
  const items = await list();
  const isFound = items.length > 0 || kind === "events" || options.selector !== undefined;
  if (name !== undefined && !isFound) throw notFound(shell, kind, name);
  const of = options.selector === undefined ? "" : ` match -l ${oneLine(options.selector, 60)}`;
  const what = `${kind}${whereOf(shell, kind, name)}`;
  await showItems(
    shell,
    of || !OF_INTENT.includes(kind) ? `${what}${of}` : `${what} in the intent`,
    withSandboxesApart(columns, items),
    items,
  );
}

const WATCH_MS = 1_000;

/** Kinds that come from the intent alone: without one, a host is not listed although its agent runs. */
const OF_INTENT: readonly string[] = ["hosts", "tenants", "networks", "groups"];

/** Returns those of the listed items that are asked for: an agent of an older version returns all. */
function within(
  shell: Shell,
  kind: string,
  name: string | undefined,
  items: readonly Item[],
): readonly Item[] {
  const { namespace: wanted } = shell.options;
  if (kind !== "pods") {
    const found = kind === "events" ? items : named(items, name);
    return wanted === undefined
      ? found
      : found.filter((item) => [wanted, ""].includes(podNamespaceOf(item)));
  }
  const namespace = namespaceOf(shell, name);
  return items.filter((item) =>
    (namespace === undefined || item.namespace === namespace) &&
    [undefined, item.name, `${item.namespace}/${item.name}`].includes(name)
  );
}

/** Kinds whose items belong to pods. */
const NAMESPACED: readonly string[] = ["pods", "attachments", "endpoints", "events"];

/** Returns the namespace of the pod that an item is about; empty for an endpoint without one, which is for any. */
function podNamespaceOf(item: Item): string {
  const { pod, namespace } = item as { readonly pod?: unknown; readonly namespace?: string };
  if (typeof pod === "string") return pod.split("/")[0] ?? "";
  return (pod as { readonly namespace?: string } | undefined)?.namespace ?? namespace ?? "";
}

/** Returns the namespace whose pods are listed; undefined for all. */
function namespaceOf({ options }: Shell, name: string | undefined): string | undefined {
  return options.allNamespaces || name?.includes("/") ? undefined : options.namespace ?? "default";
}

function whereOf(shell: Shell, kind: string, name: string | undefined): string {
  const namespace = kind === "pods" ? namespaceOf(shell, name) : undefined;
  return namespace === undefined ? "" : ` in namespace ${namespace}`;
}

function notFound(shell: Shell, kind: string, name: string): Fault {
  const one = kind.replace(/ies$/, "y").replace(/s$/, "");
  const word = name.slice(0, 60);
  const fixes: Readonly<Record<string, string>> = {
    pods: "add -n NAMESPACE, or -A for all namespaces",
    attachments: `k8contivnet get pods -A and k8contivnet why ${word} know all hosts`,
  };
  const where = kind === "attachments" ? " on this host" : whereOf(shell, kind, name);
  return new Fault("not_found", `${one} "${word}"${where} not found`, {
    fix: fixes[kind] ?? `see k8contivnet get ${kind}`,
  });
}
