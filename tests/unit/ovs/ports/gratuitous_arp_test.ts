// When gratuitous ARPs are sent, and how far apart, by a clock of the test's own.

import { assert, assertEquals } from "@std/assert";
import {
  type AnnouncedPort,
  GratuitousArp,
  gratuitousArpFrame,
} from "../../../../lib/ovs/ports/gratuitous_arp.ts";

const portOf = (n: number, addresses = [`10.1.0.${n}`]): AnnouncedPort => ({
  name: `cv${n}`,
  ofport: 1_000 + n,
  mac: `02:02:0a:01:00:0${n}`,
  addresses,
});

/** Announcements on a clock that only pauses move; `onPause` is called before each. */
function onTestClock({ send = () => Promise.resolve(), onPause = () => {} }: {
  send?: (port: AnnouncedPort) => Promise<void>;
  onPause?: (nowMs: number) => void;
} = {}) {
  let nowMs = 0;
  const sent: { name: string; atMs: number; frames: number }[] = [];
  const pauses: number[] = [];
  const arp = new GratuitousArp({
    send: (port, frames) => {
      sent.push({ name: port.name, atMs: nowMs, frames: frames.length });
      return send(port);
    },
    nowMs: () => nowMs,
    pause: async (ms) => {
      onPause(nowMs);
      await new Promise((done) => setTimeout(done)); // others have their turn
      pauses.push(ms);
      nowMs += ms;
    },
  });
  const spend = (ms: number) => void (nowMs += ms);
  const done = async (count: number) => {
    while (sent.length < count) await new Promise((next) => setTimeout(next));
  };
  return { arp, sent, pauses, spend, done };
}

Deno.test("gratuitousArpFrame() is an ARP request of the pod for its own address, to all", () => {
  assertEquals(
    gratuitousArpFrame("02:02:0a:01:00:01", "10.1.0.1").toHex(),
    "ffffffffffff" + "02020a010001" + "0806" + "0001080006040001" +
      "02020a010001" + "0a010001" + "000000000000" + "0a010001",
  );
});

Deno.test("GratuitousArp announces a port at once, with a frame for each of its addresses", async () => {
  const { arp, sent, done } = onTestClock();
  arp.announce(portOf(1, ["10.1.0.1", "10.1.0.9"]));
  await done(1);
  assertEquals(sent, [{ name: "cv1", atMs: 0, frames: 2 }]);
});

Deno.test("GratuitousArp rests some milliseconds between two ports: many are announced within seconds", async () => {
  const { arp, sent, pauses, done } = onTestClock();
  for (let n = 0; n < 100; n++) arp.announce({ ...portOf(1), name: `cv${n}` });
  await done(100);
  assertEquals(sent.map(({ name }) => name), Array.from({ length: 100 }, (_, n) => `cv${n}`));
  assert(pauses.every((ms) => ms >= 5 && ms <= 50), `pauses of ${[...new Set(pauses)]} ms`);
  assert(sent.at(-1)!.atMs <= 2_500);
});

Deno.test("GratuitousArp leaves a switch that is slow ten times as long as it took", async () => {
  const clock = onTestClock({ send: () => Promise.resolve(clock.spend(8)) });
  for (let n = 0; n < 3; n++) clock.arp.announce({ ...portOf(1), name: `cv${n}` });
  await clock.done(3);
  assertEquals(clock.pauses, [80, 80]);
});

Deno.test("GratuitousArp waits no longer than a second for a switch that stalls", async () => {
  const clock = onTestClock({ send: () => Promise.resolve(clock.spend(5_000)) });
  for (let n = 0; n < 2; n++) clock.arp.announce({ ...portOf(1), name: `cv${n}` });
  await clock.done(2);
  assertEquals(clock.pauses, [1_000]);
});

Deno.test("GratuitousArp sends nothing while a port is being added, for a second at most", async () => {
  let finish = () => {};
  const added = new Promise<void>((resolve) => finish = resolve);
  const { arp, sent, done } = onTestClock({
    onPause: (nowMs) => nowMs >= 200 ? finish() : undefined,
  });
  const adding = arp.during(() => added);
  arp.announce(portOf(1));
  arp.announce(portOf(2));
  await adding;
  await done(2);
  assert(sent[0]!.atMs >= 200 && sent[0]!.atMs < 300, `announced after ${sent[0]!.atMs} ms`);

  const endless = onTestClock();
  void endless.arp.during(() => new Promise(() => {}));
  endless.arp.announce(portOf(1));
  await endless.done(1);
  const { atMs } = endless.sent[0]!;
  assert(atMs >= 900 && atMs <= 1_100, `announced after ${atMs} ms`);
});

Deno.test("GratuitousArp goes on after a frame that could not be sent", async () => {
  const lost = () => Promise.reject(new Error("connection lost"));
  const { arp, sent, done } = onTestClock({ send: lost });
  arp.announce(portOf(1));
  arp.announce(portOf(2));
  await done(2);
  assertEquals(sent.map(({ name }) => name), ["cv1", "cv2"]);
});

Deno.test("GratuitousArp announces no port that its pod has left", async () => {
  const { arp, sent, done } = onTestClock();
  for (let n = 1; n <= 4; n++) arp.announce(portOf(n));
  arp.withdraw(["cv2", "cv3", "unknown"]);
  await done(2);
  await new Promise((next) => setTimeout(next, 10));
  assertEquals(sent.map(({ name }) => name), ["cv1", "cv4"]);
});

Deno.test("GratuitousArp that is closed sends nothing more", async () => {
  const { arp, sent, done } = onTestClock();
  arp.announce(portOf(1));
  arp.announce(portOf(2));
  arp.close();
  await done(1);
  await new Promise((next) => setTimeout(next, 10));
  assertEquals(sent.map(({ name }) => name), ["cv1"]);
});
