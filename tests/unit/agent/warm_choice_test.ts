import { assertEquals } from "@std/assert";
import { chooseWarm, logChoice } from "../../../lib/agent/warm_choice.ts";
import { createLog } from "../../../lib/util/log.ts";

const [lasting, passing] = [() => Promise.resolve(true), () => Promise.resolve(false)];

function saidOf(choice: Awaited<ReturnType<typeof chooseWarm>>): string {
  const lines: string[] = [];
  logChoice(
    choice,
    createLog({ level: "debug", write: (line) => void lines.push(line.slice(25)) }),
  );
  return lines.join("\n");
}

Deno.test("what is asked for is done, and what it risks is said", async () => {
  assertEquals(await chooseWarm({ ports: "plain" }, lasting), {
    hasWarmPorts: false,
  });
  assertEquals(await chooseWarm({ ports: "warm" }, lasting), {
    hasWarmPorts: true,
  });
  assertEquals(
    saidOf(await chooseWarm({ ports: "warm" }, passing)),
    "warn  warm ports are at risk: the agent's mounts in /run/netns end with it, and with them " +
      "running pods' links; use --ports plain",
  );
});
