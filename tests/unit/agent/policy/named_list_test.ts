import { assertEquals } from "@std/assert";
import { NamedList } from "../../../../lib/agent/policy/named_list.ts";
import { Dice } from "../../policy/random_worlds.ts";

interface Thing {
  readonly name: string;
  readonly n: number;
}

const nameOf = ({ name }: Thing) => name;
const thing = (name: string, n = 0): Thing => ({ name, n });
const [a, b, c] = [thing("a"), thing("b"), thing("c")];
const [a1, b1] = [thing("a", 1), thing("b", 1)];

const cases: { name: string; lists: Thing[][]; fresh: Thing[]; gone?: string[] }[] = [
  { name: "nothing where the list has the same things", lists: [[a, b], [a, b]], fresh: [] },
  { name: "all of the first list", lists: [[a, b]], fresh: [a, b] },
  { name: "what changed in its place", lists: [[a, b, c], [a, b1, c]], fresh: [b1] },
  { name: "what changed and moved", lists: [[a, b, c], [b, c, a1]], fresh: [a1] },
  { name: "nothing that only moved", lists: [[a, b, c], [c, a, b]], fresh: [] },
  { name: "what went", lists: [[a, b, c], [a, c]], fresh: [], gone: ["b"] },
  { name: "all that went", lists: [[a, b], []], fresh: [], gone: ["a", "b"] },
  { name: "the one of two namesakes that is left", lists: [[a, a1], [a]], fresh: [a] },
];
for (const { name, lists, fresh, gone = [] } of cases) {
  Deno.test(`NamedList.follow() reports ${name}`, () => {
    const list = new NamedList(nameOf);
    const changes = lists.map((one) => list.follow(one)).at(-1);
    assertEquals(changes, { fresh, gone });
  });
}

Deno.test("NamedList has what the last list has, whatever came before", () => {
  const dice = new Dice(1);
  const list = new NamedList(nameOf);
  let things: Thing[] = [];
  const names = ["a", "b", "c", "d"];
  for (let step = 0; step < 3_000; step++) {
    things = things.filter(() => dice.chance(80));
    if (dice.chance(30)) things.reverse();
    if (dice.chance(70)) things.splice(dice.below(things.length + 1), 0, thing(dice.one(names)));
    const before = names.map((name) => list.get(name));
    const { fresh, gone } = list.follow([...things]);
    for (const [at, name] of names.entries()) {
      const last = things.findLast((one) => one.name === name);
      assertEquals(list.get(name) === last, true, `step ${step}: ${name}`);
      if (last !== before[at]) {
        assertEquals(last ? fresh.includes(last) : gone.includes(name), true, `step ${step}`);
      }
    }
  }
});
