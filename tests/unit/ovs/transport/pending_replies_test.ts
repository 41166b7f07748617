import { assertEquals, assertRejects } from "@std/assert";
import { PendingReplies } from "../../../../lib/ovs/transport/pending_replies.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const LOST = new Fault("unavailable", "connection lost");

function openReplies() {
  const { promise, resolve } = Promise.withResolvers<Fault>();
  return { replies: new PendingReplies<string>(promise), end: () => resolve(LOST) };
}

Deno.test("each request gets its own reply, and only one", async () => {
  const { replies } = openReplies();
  const [one, two] = [replies.wait(1), replies.wait(2)];
  replies.resolve(2, "b");
  replies.resolve(1, "a");
  replies.resolve(1, "again");
  replies.resolve(3, "not asked for");
  assertEquals(await Promise.all([one, two]), ["a", "b"]);
});

Deno.test("reject() fails one request and reports whether it was waited for", async () => {
  const { replies } = openReplies();
  const [one, two] = [replies.wait(1), replies.wait(2)];
  const refused = new Fault("failed", "rejected");
  assertEquals([replies.reject(1, refused), replies.reject(1, refused)], [true, false]);
  assertEquals(await assertRejects(() => one), refused);
  replies.resolve(2, "b");
  assertEquals(await two, "b");
});

Deno.test("when the connection is over, requests before and after fail with its reason", async () => {
  const { replies, end } = openReplies();
  const before = [replies.wait(1), replies.wait(2)];
  assertEquals(replies.why, undefined);
  end();
  for (const each of before) assertEquals(await assertRejects(() => each), LOST);
  assertEquals([await replies.ended, replies.why], [LOST, LOST]);
  assertEquals(await assertRejects(() => replies.wait(3)), LOST);
});
