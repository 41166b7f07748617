// `get KIND [NAME]`: what the agent or the store knows, as a table or JSON.

import { Fault } from "../util/errors.ts";
import type { PodItem } from "../agent/api.ts";
import { type Item, named, namesOf } from "../agent/server/item_names.ts";
import { printLines, table } from "./output.ts";
import { showPods } from "./pods.ts";
import type { Command, Shell } from "./shell.ts";

/** A column: its head and what it shows of an item. */
type Column = readonly [head: string, cell: (item: Item) => string];

const text = (key: string) => (item: Item): string => {
  const value = item[key];
  if (value === undefined || value === "" || value === null) return "-";
  return Array.isArray(value) ? value.join(",") || "-" : String(value);
};

const podOf = (item: Item): string => {
  const pod = item.pod as { namespace: string; name: string };
  return `${pod.namespace}/${pod.name}`;
};

const short = (item: Item): string => String(item.sandbox).slice(0, 12);

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
    ["SANDBOX", short],
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

const WIDE: Readonly<Record<string, readonly Column[]>> = {
  attachments: [["HOST", text("host")], ["MAC", text("mac")]],
  endpoints: [["NAMESPACE", text("namespace")], ["GENERATION", text("generation")], [
    "BY",
    text("rule"),
  ]],
};

const KINDS = [...Object.keys(COLUMNS), "pods"];

export const get: Command = {
  usage: "get KIND [NAME] [-o table|wide|json|name] [-n NAMESPACE | -A]\n" +
    `  kinds: ${KINDS.join(", ")}; of pods those in NAMESPACE (default), or all\n` +
    "  e.g. k8contivnet get attachments -o json",
  run: async (shell) => {
    const [word, name, ...rest] = shell.words;
    const kind = KINDS.find((one) =>
      one === word || one === `${word}s` || one.replace(/ies$/, "y") === word
    );
    if (!kind || rest.length > 0) {
      throw new Fault("usage", word ? `there is no kind "${word}"` : "get lacks a kind", {
        fix: `kinds: ${KINDS.join(", ")}`,
      });
    }
    const told = await shell.target.list(kind, name);
    if (kind === "pods") {
      const { namespace = "default", allNamespaces } = shell.options;
      const within = allNamespaces || name?.includes("/") ? undefined : namespace;
      const pods = told as unknown as readonly PodItem[];
      return showPods(shell, pods, { namespace: within, name });
    }
    const items = named(told, name); // an agent of an older file gives all
    if (name !== undefined && items.length === 0) {
      throw new Fault(
        "not_found",
        `no ${kind.replace(/ies$/, "y").replace(/s$/, "")} is named "${name}"`,
        {
          fix: `see k8contivnet get ${kind}`,
        },
      );
    }
    show(shell, kind, items);
  },
};

function show({ options, output }: Shell, kind: string, items: readonly Item[]): void {
  if (options.format === "json") return output.data(JSON.stringify(items, null, 2));
  if (options.format === "name") {
    return printLines(output, items.map((item) => namesOf(item)[1] ?? namesOf(item)[0] ?? ""));
  }
  if (items.length === 0) return output.words(`no ${kind}`);
  const extra = options.format === "wide" ? WIDE[kind] ?? [] : [];
  const columns = [...COLUMNS[kind] ?? [], ...extra];
  output.data(
    table(
      columns.map(([head]) => head),
      items.map((item) => columns.map(([, cell]) => cell(item))),
    ),
  );
}
