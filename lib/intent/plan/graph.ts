// Nodes that must stay together, and nodes that must come before others: plain graph work on numbers.

/** Sets of nodes that grow together. */
export interface DisjointSets {
  /** Returns the node that stands for `node`'s bundle. */
  find(node: number): number;
  join(a: number, b: number): void;
}

/** One node comes before another. */
export type Edge = readonly [before: number, after: number];

/** Returns `count` bundles of one node each. */
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
 * Returns all bundles so that every edge is kept, those of lower `rank` first where edges leave a
 * choice. Bundles that wait for each other are joined: they can only be one.
 */
export function sortSets(
  nodes: readonly number[],
  { bundles, edges, rank }: {
    readonly bundles: DisjointSets;
    readonly edges: readonly Edge[];
    readonly rank: (node: number) => number;
  },
): number[] {
  while (true) {
    const roots = [...new Set(nodes.map(bundles.find))];
    const between = edges
      .map(([before, after]): Edge => [bundles.find(before), bundles.find(after)])
      .filter(([before, after]) => before !== after);
    const { sorted, stuck } = sort(roots, between, rank);
    if (stuck.size === 0) return sorted;
    // What waits for a ring, and what a ring waits for, is no part of it.
    const inside = between.filter(([before, after]) => stuck.has(before) && stuck.has(after));
    const ring =
      sort([...stuck], inside.map(([before, after]): Edge => [after, before]), rank).stuck;
    for (const [before, after] of inside) {
      if (ring.has(before) && ring.has(after)) bundles.join(before, after);
    }
  }
}

function sort(
  nodes: readonly number[],
  edges: readonly Edge[],
  rank: (node: number) => number,
): { readonly sorted: number[]; readonly stuck: ReadonlySet<number> } {
  // For how many others each node waits.
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
