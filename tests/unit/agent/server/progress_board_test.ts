import { assertEquals, assertRejects } from "@std/assert";
import { ProgressBoard } from "../../../../lib/agent/server/progress_board.ts";

Deno.test("the progress of a named request is known while it is answered", async () => {
  const board = new ProgressBoard();
  await board.during("one", async (report) => {
    assertEquals(board.list("one"), []);
    report?.(1, 3);
    await board.during("two", (report) => Promise.resolve(report?.(2, 2)));
    assertEquals(board.list(), [{ name: "one", done: 1, of: 3 }]);
    assertEquals(board.list("two"), []);
  });
  assertEquals(board.list(), []);
});

Deno.test("a request without a name, or with a strange one, is only answered", async () => {
  const board = new ProgressBoard();
  for (const name of [undefined, "", 7, null, {}]) {
    await board.during(name, (report) => Promise.resolve(assertEquals(report, undefined)));
  }
  await board.during("x".repeat(10_000), (report) => {
    report?.(1, 2);
    assertEquals(board.list()[0]?.name.length, 64);
    return Promise.resolve();
  });
  await assertRejects(() => board.during("one", () => Promise.reject(new Error("x"))));
  assertEquals(board.list(), []);
});
