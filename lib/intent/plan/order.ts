// The order of a plan's operations. Children are deleted before their parents and created after them; an
// operation that releases a claim is in one commit with the one that takes it, so that no claim is ever
// lost or has two owners.

import { overlap, parseSubnet, type Subnet } from "../../ipam/subnets.ts";
import type { Draft } from "./changes.ts";
import { createDisjointSets, type DisjointSets, type Edge, sortSets } from "./graph.ts";
import type { Operation, SubnetListEdit } from "./operation.ts";

/** Returns the operations of `drafts` in an order in which they may be applied, with their groups. */
export function orderOperations(drafts: readonly Draft[]): Operation[] {
  const sets = createDisjointSets(drafts.length);
  joinByClaims(drafts, sets);
  const edges = [...familyEdges(drafts), ...subnetEdges(drafts, sets)];
  const nodes = [...drafts.keys()];
  const ranks = drafts.map(rankOf);
  const rank = (node: number) => ranks[node] ?? 0;
  const sorted = sortSets(nodes, { sets, edges, rank });
  const members = membersOf(nodes, sets);
  const operations: Operation[] = [];
  for (const [group, root] of sorted.entries()) {
    const together = members.get(root)?.sort((a, b) => rank(a) - rank(b)) ?? [root];
    for (const node of together) operations.push(operationOf(drafts[node]!, group));
  }
  return operations;
}

/** Returns the nodes of each set of more than one node, by the node that represents it. */
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

const DELETED = ["endpoint", "network", "tenant", "host", "cluster"];
const WRITTEN = ["cluster", "host", "tenant", "network", "endpoint"];

function rankOf({ verb, kind }: Draft): number {
  return verb === "delete" ? DELETED.indexOf(kind) : DELETED.length + WRITTEN.indexOf(kind);
}

function joinByClaims(drafts: readonly Draft[], sets: DisjointSets): void {
  const releaser = new Map<string, number>();
  for (const [node, { releases }] of drafts.entries()) {
    for (const claim of releases) releaser.set(claim, node);
  }
  for (const [node, { takes }] of drafts.entries()) {
    for (const claim of takes) {
      const other = releaser.get(claim);
      if (other !== undefined) sets.join(other, node);
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
 * A new subnet that overlaps a removed one without being equal has a claim of its own, so claims do not
 * order them: it waits for the deletion of that network, or moves in one commit with a network that moves.
 */
function subnetEdges(drafts: readonly Draft[], sets: DisjointSets): Edge[] {
  const edges: Edge[] = [];
  const edits = drafts.flatMap(({ subnets = [] }, node) =>
    subnets.map((edit): NodeEdit => [node, edit])
  );
  for (const changes of Map.groupBy(edits, ([, { list }]) => list).values()) {
    const leaving = subnetsOf(changes, "drop");
    const coming = subnetsOf(changes, "add");
    for (const [from, old] of leaving) {
      for (const [to, subnet] of coming) {
        if (from === to || !overlap(old, subnet)) continue;
        if (drafts[from]?.verb === "delete") edges.push([from, to]);
        else sets.join(from, to);
      }
    }
  }
  return edges;
}

type NodeEdit = readonly [node: number, edit: SubnetListEdit];

function subnetsOf(
  changes: readonly NodeEdit[],
  field: "drop" | "add",
): (readonly [number, Subnet])[] {
  return changes.flatMap(([node, { [field]: text }]) =>
    text === undefined ? [] : [[node, parseSubnet(text)] as const]
  );
}
