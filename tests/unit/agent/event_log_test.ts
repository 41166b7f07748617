import { assertEquals } from "@std/assert";
import { EventLog, MOST_EVENTS } from "../../../lib/agent/event_log.ts";
import { createLog } from "../../../lib/util/log.ts";

function start() {
  const lines: string[] = [];
  const events = new EventLog("h1", () => "T");
  const log = events.recording(createLog({ write: (line) => void lines.push(line) }));
  return { events, log, lines };
}

Deno.test("events are made from the log's lines, with pod, network and address", () => {
  const { events, log, lines } = start();
  log.info("attached", { pod: "default/web", network: "t/n", address: "10.0.0.1", ms: 3.1 });
  log.info("detached", { pod: "default/web", why: undefined });
  log.info("starting: reading the store");
  log.warn("store unreachable, serving what is known: etcd");
  log.error("something unheard of");
  log.info("dropped tcp default/a 10.1.1.2 -> default/b");
  log.debug("attached");
  assertEquals(lines.length, 6);
  assertEquals(events.list(), [
    {
      ...{ at: "T", kind: "attach", host: "h1", pod: "default/web", network: "t/n" },
      ...{ address: "10.0.0.1", ms: 3.1, message: "attached (ms 3.1)" },
    },
    { at: "T", kind: "detach", host: "h1", pod: "default/web", message: "detached" },
    {
      at: "T",
      kind: "store",
      host: "h1",
      message: "store unreachable, serving what is known: etcd",
    },
    { at: "T", kind: "error", host: "h1", message: "something unheard of" },
    { at: "T", kind: "drop", host: "h1", message: "dropped tcp default/a 10.1.1.2 -> default/b" },
  ]);
  assertEquals(events.list("web").length, 2);
  assertEquals(events.list("default/web").length, 2);
  assertEquals(events.list("store").length, 1);
  assertEquals(events.list("x"), []);
});

Deno.test("events are the last thousand, those of an earlier agent before those of this one", () => {
  const { events, log } = start();
  log.info("agent ready");
  events.restore([{ at: "S", kind: "host", host: "h1", message: "stopping" }]);
  assertEquals(events.list().map(({ message }) => message), ["stopping", "agent ready"]);
  for (let n = 0; n < 3 * MOST_EVENTS; n++) log.info("attached", { pod: `default/p${n}` });
  assertEquals(events.list().length, MOST_EVENTS);
  assertEquals(events.list().at(-1)?.pod, "default/p2999");
  assertEquals(events.count, 3 * MOST_EVENTS + 1);
});
