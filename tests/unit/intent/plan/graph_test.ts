import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { createDisjointSets, type Edge, sortSets } from "../../../../lib/intent/plan/graph.ts";

const nodesOf = (count: number) => [...Array(count).keys()];

Deno.test("sortSets() keeps edges, then ranks, then the given order", () => {
  const sorted = sortSets(nodesOf(4), {
    sets: createDisjointSets(4),
    edges: [[3, 0]],
    rank: (node) => node === 1 ? 1 : 0,
  });
  assertEquals(sorted, [2, 3, 0, 1]);
});

Deno.test("sortSets() joins a cycle and nothing that only hangs on it", () => {
  const sets = createDisjointSets(6);
  const edges: Edge[] = [[0, 1], [1, 2], [2, 3], [3, 1], [3, 4], [5, 0]];
  assertEquals(sortSets(nodesOf(6), { sets, edges, rank: () => 0 }), [5, 0, 1, 4]);
  assertEquals([1, 2, 3].map(sets.find), [1, 1, 1]);
});

Deno.test("sortSets() keeps every edge between sets, whatever cycles there are", () => {
  const node = fc.nat(9);
  const edges = fc.array(fc.tuple(node, node), { maxLength: 20 });
  fc.assert(fc.property(edges, fc.array(fc.tuple(node, node), { maxLength: 4 }), (edges, joins) => {
    const sets = createDisjointSets(10);
    for (const [a, b] of joins) sets.join(a, b);
    const sorted = sortSets(nodesOf(10), { sets, edges, rank: (node) => node % 3 });
    assertEquals(new Set(sorted).size, sorted.length);
    assertEquals(new Set(nodesOf(10).map(sets.find)), new Set(sorted));
    const place = (node: number) => sorted.indexOf(sets.find(node));
    for (const [before, after] of edges) assert(place(before) <= place(after));
  }));
});
