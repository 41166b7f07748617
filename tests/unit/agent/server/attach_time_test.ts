import { assertEquals } from "@std/assert";
import { attachTime } from "../../../../lib/agent/server/attach_time.ts";

const event = (kind: string, ms?: number) => ({
  ...{ at: "T", kind, host: "h1", message: "" },
  ...ms === undefined ? {} : { ms },
});

Deno.test("the time of an attachment is the median of the last ones on this host", () => {
  assertEquals(attachTime([], "h1"), undefined);
  assertEquals(attachTime([event("attach"), event("detach", 9)], "h1"), undefined);
  assertEquals(attachTime([event("attach", 3.1)], "h1"), {
    seconds: 0.01,
    from: "one set-up on h1",
  });
  const events = [5_000, 14, 30, 22].map((ms) => event("attach", ms));
  assertEquals(attachTime(events, "h1"), { seconds: 0.03, from: "median of 4 set-ups on h1" });
  const many = [...events, ...Array.from({ length: 200 }, () => event("attach", 1_234))];
  assertEquals(attachTime(many, "h1"), { seconds: 1.24, from: "median of 100 set-ups on h1" });
});
