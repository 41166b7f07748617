// The order of a plan's operations. Children go before their parents and come after them; what hands
// claims on goes into one commit with what takes them, so that no claim is ever lost or owned twice.

import { overlap, parseSubnet, type Subnet } from "../../ipam/subnets.ts";
import type { Draft } from "./changes.ts";
import { createDisjointSets, type DisjointSets, type Edge, sortSets } from "./graph.ts";
import type { Operation } from "./operation.ts";

/** Returns the operations of `drafts` in an order in which they may be done, with their groups. */
export function orderOperations(drafts: readonly Draft[]): Operation[] {
  const bundles = createDisjointSets(drafts.length);
  joinByClaims(drafts, bundles);
  const edges = [...familyEdges(drafts), ...subnetEdges(drafts, bundles)];
  const nodes = [...drafts.keys()];
  const ranks = drafts.map(rankOf);
  const rank = (node: number) => ranks[node] ?? 0;
  const sorted = sortSets(nodes, { bundles, edges, rank });
  const members = membersOf(nodes, bundles);
  const operations: Operation[] = [];
  for (const [group, root] of sorted.entries()) {
    const together = members.get(root)?.sort((a, b) => rank(a) - rank(b)) ?? [root];
    for (const node of together) operations.push(operationOf(drafts[node]!, group));
  }
  return operations;
}

/** Returns the nodes of the bundles of more than one, by the node that stands for them. */
function membersOf(nodes: readonly number[], { find }: DisjointSets): Map<number, number[]> {
  const joined = nodes.filter((node) => find(node) !== node);
  const members = new Map(joined.map((node) => [find(node), [find(node)]]));
  for (const node of joined) members.get(find(node))!.push(node);
  return members;
}

// Written out: a plan has as many as a large file has lines.
function operationOf(draft: Draft, group: number): Operation {
  const { verb, kind, name, lines, checks, writes, subnets } = draft;
  const operation = { verb, kind, name, lines, checks, writes, group };
  return subnets ? { ...operation, subnets } : operation;
}

const DELETED = ["endpoint", "network", "tenant", "host"];
const WRITTEN = ["host", "tenant", "network", "endpoint"];

function rankOf({ verb, kind }: Draft): number {
  return verb === "delete" ? DELETED.indexOf(kind) : DELETED.length + WRITTEN.indexOf(kind);
}

function joinByClaims(drafts: readonly Draft[], bundles: DisjointSets): void {
  const releaser = new Map<string, number>();
  for (const [node, { releases }] of drafts.entries()) {
    for (const claim of releases) releaser.set(claim, node);
  }
  for (const [node, { takes }] of drafts.entries()) {
    for (const claim of takes) {
      const other = releaser.get(claim);
      if (other !== undefined) bundles.join(other, node);
    }
  }
}

function familyEdges(drafts: readonly Draft[]): Edge[] {
  const nodeByKey = new Map(drafts.map(({ key }, node) => [key, node]));
  return drafts.flatMap(({ verb, parent }, node): Edge[] => {
    const above = parent === undefined ? undefined : nodeByKey.get(parent);
    if (above === undefined) return [];
    if (verb !== "delete") return [[above, node]];
    return drafts[above]?.verb === "delete" ? [[node, above]] : [];
  });
}

/**
 * A subnet that is not equal to a leaving one but overlaps it has a claim of its own, so claims do
 * not tell: it waits until a deleted network has gone, and moves together with one that moves.
 */
function subnetEdges(drafts: readonly Draft[], bundles: DisjointSets): Edge[] {
  const edges: Edge[] = [];
  const tenants = Map.groupBy(
    drafts.entries().filter(([, { subnets }]) => subnets !== undefined),
    ([, { subnets }]) => subnets?.tenant,
  );
  for (const changes of tenants.values()) {
    const leaving = subnetsOf(changes, "drop");
    const coming = subnetsOf(changes, "add");
    for (const [from, old] of leaving) {
      for (const [to, subnet] of coming) {
        if (from === to || !overlap(old, subnet)) continue;
        if (drafts[from]?.verb === "delete") edges.push([from, to]);
        else bundles.join(from, to);
      }
    }
  }
  return edges;
}

function subnetsOf(
  changes: readonly (readonly [number, Draft])[],
  field: "drop" | "add",
): (readonly [number, Subnet])[] {
  return changes.flatMap(([node, { subnets }]) => {
    const text = subnets?.[field];
    return text === undefined ? [] : [[node, parseSubnet(text)] as const];
  });
}
