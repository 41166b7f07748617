// `get KIND [NAME]`: what the agent or the store knows, as a table, as JSON, YAML or names. A column is one line
// in COLUMNS, or in WIDE when only `-o wide` shows it.

import { Fault } from "../util/errors.ts";
import type { PodItem } from "../agent/api.ts";
import { type Item, named, namesOf } from "../agent/server/item_names.ts";
import { printLines, printValue, table } from "./output.ts";
import { showPods } from "./pods.ts";
import type { Command, Shell } from "./shell.ts";

/** A column: its head, and the text of its cell for an item. */
type Column = readonly [head: string, cell: (item: Item) => string];

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

/** Shows the first 12 digits of the sandbox id, as `docker ps` does. */
const shortSandbox = (item: Item): string => String(item.sandbox).slice(0, 12);

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
  policies: [
    ["POLICY", text("name")],
    ["SOURCE", text("source")],
    ["RULES", text("rules")],
    ["GROUPS", text("groups")],
    ["GUARDED HERE", text("guarded")],
    ["DROPS HERE", text("drops")],
  ],
};

/** The columns that `-o wide` adds at the end. */
const WIDE: Readonly<Record<string, readonly Column[]>> = {
  attachments: [["HOST", text("host")], ["MAC", text("mac")]],
  endpoints: [["NAMESPACE", text("namespace")], ["GENERATION", text("generation")], [
    "BY",
    text("rule"),
  ]],
  hosts: [["NODE", text("node")], ["NAT", text("nat")]],
  networks: [
    ["DESCRIPTION", text("description")],
    ["GATEWAY TYPE", text("gatewayType")],
    ["REACH", text("reach")],
    ["HOSTS' STACKS", stackOf],
  ],
};

const KINDS = [...Object.keys(COLUMNS), "pods"];

export const get: Command = {
  usage: "get KIND [NAME] [-o table|wide|json|yaml|name] [-n NAMESPACE | -A]\n" +
    `  kinds: ${KINDS.join(", ")}; pods are those of NAMESPACE ("default"), or of all with -A\n` +
    "  e.g. k8contivnet get attachments -o json",
  run: async (shell) => {
    const [word, name, ...rest] = shell.args;
    const kind = KINDS.find((one) =>
      one === word || one === `${word}s` || one.replace(/ies$/, "y") === word
    );
    if (!kind) {
      const what = word ? `"${word.slice(0, 60)}" is not a kind` : "get needs a kind";
      throw new Fault("usage", what, { fix: `kinds: ${KINDS.join(", ")}` });
    }
    if (rest.length > 0) {
      throw new Fault("usage", `get got ${shell.args.length} arguments`, {
        fix: "get KIND [NAME]",
      });
    }
    const listed = await shell.target.list(kind, name);
    if (kind === "pods") {
      const { namespace = "default", allNamespaces } = shell.options;
      const within = allNamespaces || name?.includes("/") ? undefined : namespace;
      const pods = listed as unknown as readonly PodItem[];
      return await showPods(shell, pods, { namespace: within, name });
    }
    const items = named(listed, name); // an agent of an older version returns all
    if (name !== undefined && items.length === 0) {
      throw new Fault(
        "not_found",
        `there is no ${kind.replace(/ies$/, "y").replace(/s$/, "")} "${name.slice(0, 60)}"`,
        {
          fix: `see k8contivnet get ${kind}`,
        },
      );
    }
    await show(shell, kind, items);
  },
};

/** Prints the items in the format that the options name. */
async function show(shell: Shell, kind: string, items: readonly Item[]): Promise<void> {
  const { options, output } = shell;
  if (await printValue(shell, items)) return;
  if (options.format === "name") {
    return printLines(output, items.map((item) => namesOf(item)[1] ?? namesOf(item)[0] ?? ""));
  }
  if (items.length === 0) return output.message(`no ${kind}`);
  const extra = options.format === "wide" ? WIDE[kind] ?? [] : [];
  const columns = [...COLUMNS[kind] ?? [], ...extra];
  output.data(
    table(
      columns.map(([head]) => head),
      items.map((item) => columns.map(([, cell]) => cell(item))),
    ),
  );
}
