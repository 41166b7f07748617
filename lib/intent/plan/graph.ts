// Graph functions on numbers: nodes that must stay together (disjoint sets, also called union-find), and a
// topological order of these sets.

/** Sets of nodes that can be joined. */
export interface DisjointSets {
  /** Returns the node that represents `node`'s set. */
  find(node: number): number;
  join(a: number, b: number): void;
}

/** One node comes before another. */
export type Edge = readonly [before: number, after: number];

/** Returns `count` sets of one node each. */
export function createDisjointSets(count: number): DisjointSets {
  const up = Array.from({ length: count }, (_, node) => node);
  const find = (node: number): number => {
    let root = node;
    while (up[root] !== root) root = up[root] ?? root;
    for (let at = node; at !== root;) [at, up[at]] = [up[at] ?? root, root];
    return root;
  };
  return {
    find,
    join: (a, b) => {
      const [first, second] = [find(a), find(b)].sort((x, y) => x - y);
      if (first !== undefined && second !== undefined) up[second] = first;
    },
  };
}

/**
 * Returns the sets in an order that satisfies every edge, those of lower `rank` first where edges leave a
 * choice. Sets that wait for each other are joined into one.
 */
export function sortSets(
  nodes: readonly number[],
  { sets, edges, rank }: {
    readonly sets: DisjointSets;
    readonly edges: readonly Edge[];
    readonly rank: (node: number) => number;
  },
): number[] {
  while (true) {
    const roots = [...new Set(nodes.map(sets.find))];
    const between = edges
      .map(([before, after]): Edge => [sets.find(before), sets.find(after)])
      .filter(([before, after]) => before !== after);
    const { sorted, stuck } = sort(roots, between, rank);
    if (stuck.size === 0) return sorted;
    // Nodes before or behind a cycle are not part of it.
    const inside = between.filter(([before, after]) => stuck.has(before) && stuck.has(after));
    const cycle =
      sort([...stuck], inside.map(([before, after]): Edge => [after, before]), rank).stuck;
    for (const [before, after] of inside) {
      if (cycle.has(before) && cycle.has(after)) sets.join(before, after);
    }
  }
}

function sort(
  nodes: readonly number[],
  edges: readonly Edge[],
  rank: (node: number) => number,
): { readonly sorted: number[]; readonly stuck: ReadonlySet<number> } {
  // Number of nodes that each node waits for.
  const waiting: number[] = [];
  const followers = new Map<number, number[]>();
  for (const node of nodes) waiting[node] = 0;
  for (const [before, after] of edges) {
    waiting[after] = (waiting[after] ?? 0) + 1;
    const known = followers.get(before);
    if (known) known.push(after);
    else followers.set(before, [after]);
  }
  const ready: Queue[] = [];
  const release = (node: number) => (ready[rank(node)] ??= { nodes: [], next: 0 }).nodes.push(node);
  for (const node of nodes) if (waiting[node] === 0) release(node);
  const sorted: number[] = [];
  for (let node = take(ready); node !== undefined; node = take(ready)) {
    sorted.push(node);
    for (const after of followers.get(node) ?? []) {
      const count = waiting[after]! - 1;
      waiting[after] = count;
      if (count === 0) release(after);
    }
  }
  if (sorted.length === nodes.length) return { sorted, stuck: new Set() };
  return { sorted, stuck: new Set(nodes).difference(new Set(sorted)) };
}

interface Queue {
  readonly nodes: number[];
  next: number;
}

/** Takes the next node of the first queue that has one. */
function take(ready: readonly (Queue | undefined)[]): number | undefined {
  const queue = ready.find((one) => one && one.next < one.nodes.length);
  return queue?.nodes[queue.next++];
}
