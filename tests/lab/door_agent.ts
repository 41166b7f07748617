// The agent's side of a door as a process of its own, for tests that stop and kill it. Arguments: path of the door,
// file into which it writes each call, and how it answers: "at once" with {}, or "never".

import { openDoor } from "../../lib/agent/server/door.ts";
import { MemoryLog } from "../memory/memory_log.ts";

const [door = "", calls = "", how] = Deno.args;
await openDoor(door, {
  verb: () => Promise.resolve({}),
  cni: async (input) => {
    await Deno.writeTextFile(calls, `${JSON.stringify(input)}\n`, { append: true });
    if (how === "never") await new Promise(() => {});
    return { exit: 0, output: "{}" };
  },
}, new MemoryLog());
