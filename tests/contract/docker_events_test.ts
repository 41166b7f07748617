// Docker's events through a stream that is cut, hangs, lies or floods. What a real one sends is in
// tests/root/containers_test.ts.

import { assert, assertEquals } from "@std/assert";
import { Docker } from "../../lib/runtimes/docker/docker.ts";
import { follow, type StreamEvent } from "../../lib/runtimes/docker/docker_events.ts";
import {
  type Answer,
  endless,
  type HandStream,
  json,
  never,
  serveDocker,
  streamOf,
  tempFolder,
} from "../lab/docker_stub.ts";
import { waitFor } from "../lab/wait.ts";
import { scaled } from "../lab/limits.ts";

const LIMIT_MS = scaled(400);
// No stream here lasts long enough to be a good one, however slow the machine.
const PAUSES = { shortestMs: 10, longestMs: 80, resetMs: 10_000 };

/** Events that a follower received. */
interface Followed {
  readonly received: StreamEvent[];
  /** When each loss was reported, by performance.now(). */
  readonly lostAtMs: readonly number[];
  readonly kinds: () => string[];
}

async function hear(path: string, work: (followed: Followed) => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const received: StreamEvent[] = [];
  const lostAtMs: number[] = [];
  const following = follow(new Docker(path, LIMIT_MS), stop.signal, (one) => {
    received.push(one);
    if (one.kind === "lost") lostAtMs.push(performance.now());
  }, PAUSES);
  try {
    await work({ received, lostAtMs, kinds: () => received.map((one) => one.kind) });
  } finally {
    stop.abort();
    await following;
  }
}

const eventOf = (digit: string, action = "start") =>
  JSON.stringify({
    Type: "container",
    Action: action,
    Actor: { ID: digit.repeat(64), Attributes: { name: `c${digit}`, image: "i", a: "b" } },
  });

Deno.test("events are reported one by one, however the stream is cut into pieces", async () => {
  const streams: HandStream[] = [];
  await using stub = await serveDocker((signal) => {
    streams.push(streamOf(signal));
    return streams.at(-1)!.response();
  });
  await hear(stub.path, async ({ received, kinds }) => {
    await waitFor("the stream to open", () => received.length > 0);
    const text = `${eventOf("1")}\n${eventOf("2", "die")}\nrubbish\n\n{}\n${eventOf("3")}\n`;
    for (let at = 0; at < text.length; at += 7) streams[0]!.send(text.slice(at, at + 7));
    await waitFor("three events", () => received.length >= 4);
    assertEquals(kinds(), ["opened", "event", "event", "event"]);
    const events = received.flatMap((one) => one.kind === "event" ? [one.event] : []);
    assertEquals(events.map(({ action, id }) => `${action} ${id[0]}`), [
      "start 1",
      "die 2",
      "start 3",
    ]);
    assertEquals(events[0]?.naming, { name: "c1", labels: { image: "i", a: "b" } });
  });
});

Deno.test("only what is needed is asked for: starts, ends and new names", async () => {
  const asked: string[] = [];
  await using stub = await serveDocker((signal, path) => {
    asked.push(decodeURIComponent(path));
    return streamOf(signal).response();
  });
  await hear(
    stub.path,
    async ({ received }) => void await waitFor("opened", () => received.length > 0),
  );
  assertEquals(asked, ['/events?filters={"event":["start","die","rename"]}']);
});

for (const how of ["closed", "cut"] as const) {
  Deno.test(`a stream that is ${how} is opened again, and that is reported`, async () => {
    const streams: HandStream[] = [];
    await using stub = await serveDocker((signal) => {
      streams.push(streamOf(signal));
      return streams.at(-1)!.response();
    });
    await hear(stub.path, async ({ kinds }) => {
      for (let n = 1; n <= 3; n++) {
        await waitFor(`opened ${n}`, () => kinds().filter((kind) => kind === "opened").length >= n);
        streams.at(-1)!.send(`${eventOf("1")}\n`);
        await waitFor("event", () => kinds().at(-1) === "event");
        if (n < 3) streams.at(-1)!.end(how);
      }
      assertEquals(kinds().join(" "), "opened event lost opened event lost opened event");
    });
  });
}

const bad: readonly { readonly words: string; readonly answer: Answer; readonly says: RegExp }[] = [
  {
    words: "ends each stream at once",
    answer: () => new Response(""),
    says: /ended its event stream/,
  },
  { words: "says 500", answer: () => json(500, { message: "no disk" }), says: /no disk/ },
  { words: "never begins", answer: never, says: /did not answer within \d+ ms/ },
  { words: "sends a line without an end", answer: endless, says: /more than \d+ characters/ },
];

for (const { words, answer, says } of bad) {
  Deno.test(`a Docker that ${words} is asked again ever more rarely`, async () => {
    const times: number[] = [];
    await using stub = await serveDocker((signal, path) => {
      times.push(performance.now());
      return answer(signal, path);
    });
    let lost: readonly number[] = [];
    await hear(stub.path, async ({ received, lostAtMs }) => {
      await waitFor("six tries", () => times.length >= 6, { limitMs: 20_000 });
      const fault = received.find((one) => one.kind === "lost")?.fault;
      assert(fault && says.test(fault.message), fault?.message);
      lost = lostAtMs;
    });
    // 10, 20, 40, 80, 80 ms from the loss of a stream to the next request: timers never fire early.
    const gaps = times.slice(1, 6).map((time, at) => time - lost[at]!);
    assert(gaps.every((gap, at) => gap >= [9, 19, 39, 79, 79][at]!), gaps.join());
  });
}

Deno.test("a socket that is not there is waited for, and one that comes is followed", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/docker.sock`;
  await hear(path, async ({ received, kinds }) => {
    await waitFor("lost", () => received.length >= 2);
    assert(received.every((one) => one.kind === "lost" && one.fault === undefined));
    await using _stub = await serveDocker((signal) => streamOf(signal).response(), { path });
    await waitFor("opened", () => kinds().includes("opened"));
  });
});

Deno.test("a path that is not a socket is reported as what it is", async () => {
  await using folder = await tempFolder();
  await hear(folder.path, async ({ received }) => {
    const lost = await waitFor("lost", () => received.find((one) => one.kind === "lost"));
    assert(/not a socket/.test(lost.fault?.message ?? ""), lost.fault?.message);
  });
});

Deno.test("the end comes at once also after garbage was collected", async () => {
  await using stub = await serveDocker((signal) => streamOf(signal).response());
  const started = { ms: 0 };
  await hear(stub.path, async ({ received }) => {
    await waitFor("opened", () => received.length > 0);
    // Enough that the young generation is collected several times.
    for (let n = 0; n < 200; n++) new Array(50_000).fill(n).map(String);
    await new Promise((done) => setTimeout(done, 0));
    started.ms = performance.now();
  });
  assert(performance.now() - started.ms < 2_000);
});

Deno.test("ten thousand events at once are all reported, and the end comes at once", async () => {
  const text = `${eventOf("1")}\n`.repeat(10_000);
  await using stub = await serveDocker((signal) => streamOf(signal).response([text]));
  const started = { ms: 0 };
  await hear(stub.path, async ({ received }) => {
    await waitFor("all events", () => received.length >= 10_001, { limitMs: 30_000 });
    started.ms = performance.now();
  });
  assert(performance.now() - started.ms < 2_000);
});
