// `store`: what it takes, and who is said to use the source.

import { assertEquals, assertRejects } from "@std/assert";
import { liveHosts, store } from "../../../lib/cli/store_command.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

Deno.test("hosts are said to be alive as long as their heartbeats are not older than 2.5 intervals and what clocks differ", () => {
  const entry = (host: string, second: string, everyMs: number) => ({
    value: { host, at: `2026-01-01T00:00:${second}Z`, everyMs, beat: 1 },
  });
  const entries = [entry("h1", "00", 10_000), entry("h2", "30", 10_000), { value: { host: "h3" } }];
  assertEquals(liveHosts(entries, Date.parse("2026-01-01T00:00:30Z")), ["h1", "h2"]);
  assertEquals(liveHosts(entries, Date.parse("2026-01-01T00:00:31Z")), ["h2"]);
  assertEquals(liveHosts(entries, Date.parse("2026-01-01T00:09:00Z")), []);
});

Deno.test("store takes copy and two different stores", async () => {
  for (
    const [words, message] of [
      [[], "store needs copy"],
      [["copy", "sqlite:/a"], "it takes copy"],
      [["copy", "sqlite:/a", "sqlite:/b", "c"], "it takes copy"],
      [["drop", "sqlite:/a", "sqlite:/b"], "it takes copy"],
      [["copy", "sqlite:/a", "sqlite:/a"], "both stores are the same"],
    ] as const
  ) {
    const run = async () => await store.run(fakeShell(words, {}));
    await assertRejects(run, Fault, message);
  }
});
