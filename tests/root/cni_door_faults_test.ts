// CNI calls through the launcher when agent or launcher die or hang, or when many come at once: each call has one answer,
// and neither processes nor files are left.

import { assertEquals } from "@std/assert";
import { callOf } from "../unit/cni/cni_cases.ts";
import {
  beginCni,
  callCni,
  FACE_RETRY,
  openCniDoor,
  SHELLS,
  startDoorAgent,
  waitUntilNothingIsLeft,
} from "../lab/cni_door.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { waitFor } from "../lab/wait.ts";

const ADD = callOf("ADD");
const STATUS = callOf("STATUS");
const DONE = { code: 0, out: "{}\n", err: "" };

Deno.test("an agent that hangs: the face takes over, and knows that it is a retry", async () => {
  await using door = await openCniDoor(() => new Promise(() => {}));
  const configs = [STATUS.config, '{\n"a":1\n}\n'];
  await Promise.all(SHELLS.flatMap((shell) =>
    configs.map(async (config) => {
      const ended = await callCni(door, { ...STATUS, config }, { shell });
      assertEquals(ended, { code: 7, out: FACE_RETRY + config, err: "" });
    })
  ));
  await waitUntilNothingIsLeft(door);
});

for (const shell of SHELLS) {
  const by = shell.join(" ") || "the file";
  Deno.test(`${by}: what an agent took and died of, the face gets when the next one starts`, async () => {
    await using door = await openCniDoor();
    await using first = await startDoorAgent(door, "never");
    const calls = Array.from(
      { length: 8 },
      (_, n) => callCni(door, callOf("ADD", { n }), { shell }),
    );
    await waitFor("all calls to be taken", async () => (await first.calls()).length === 8);
    await first.kill();
    await using second = await startDoorAgent(door, "at once");
    for (const [n, ended] of (await Promise.all(calls)).entries()) {
      const out = FACE_RETRY + callOf("ADD", { n }).config;
      assertEquals(ended, { code: 7, out, err: "" });
    }
    assertEquals(await second.calls(), []);
    assertEquals(await callCni(door, ADD, { shell }), DONE);
    await waitUntilNothingIsLeft(door);
  });
}

Deno.test("an agent that is stopped by SIGSTOP answers all when it goes on", async () => {
  await using door = await openCniDoor();
  await using agent = await startDoorAgent(door, "at once");
  freezeProcess(agent.pid);
  const calls = Array.from({ length: 20 }, () => callCni(door, ADD));
  await waitFor("all calls to be there", async () => (await door.left()).length === 20);
  Deno.kill(agent.pid, "SIGCONT");
  for (const ended of await Promise.all(calls)) assertEquals(ended, DONE);
  await waitUntilNothingIsLeft(door);
});

Deno.test("a line of requests that is full holds nobody up longer than the limit", async () => {
  await using door = await openCniDoor();
  await using agent = await startDoorAgent(door, "at once");
  freezeProcess(agent.pid);
  const input = { ...STATUS, args: `A=${"x".repeat(3_800)}` };
  const calls = Array.from({ length: 40 }, () => callCni(door, input));
  for (const ended of await Promise.all(calls)) {
    assertEquals(ended, { code: 7, out: FACE_RETRY + STATUS.config, err: "" });
  }
  Deno.kill(agent.pid, "SIGCONT");
  assertEquals(await callCni(door, ADD), DONE);
  await waitUntilNothingIsLeft(door);
});

Deno.test("two hundred calls at once each have their own answer", async () => {
  await using door = await openCniDoor(async ({ config }) => {
    const { n } = JSON.parse(config);
    await new Promise((done) => setTimeout(done, n % 7));
    return { exit: 0, output: `${n}`.padEnd(n % 5 === 0 ? 5_000 : 10, " ") + "|" };
  });
  const calls = Array.from({ length: 200 }, (_, n) => callCni(door, callOf("ADD", { n })));
  for (const [n, { code, out, err }] of (await Promise.all(calls)).entries()) {
    assertEquals([code, out.trim().replace(/ *\|$/, ""), err], [0, `${n}`, ""]);
  }
  assertEquals(door.calls.length, 200);
  await waitUntilNothingIsLeft(door);
});

Deno.test("a launcher that is killed while it reads asks for nothing, and leaves nothing open", async () => {
  await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
  const call = beginCni(door, ADD);
  await call.write("{");
  await waitFor("its call", async () => (await door.left()).length === 1);
  call.kill();
  await call.ended; // so nobody else has its standard output and error
  await call.close();
  await waitFor("the door's folder to be empty", async () => (await door.left()).length === 0);
  assertEquals(door.calls, []);
});

Deno.test("a launcher that is killed while it waits leaves an agent that answers all others", async () => {
  const held = Promise.withResolvers<void>();
  await using door = await openCniDoor(async () => {
    await held.promise;
    return { exit: 0, output: "{}" };
  });
  const [lost, other] = [beginCni(door, ADD), beginCni(door, ADD)];
  for (const call of [lost, other]) {
    await call.write(ADD.config);
    await call.close();
  }
  await waitFor("both calls", () => door.calls.length === 2);
  lost.kill();
  await lost.ended;
  held.resolve();
  assertEquals(await other.ended, DONE);
  await waitFor("the door's folder to be empty", async () => (await door.left()).length === 0);
});

Deno.test("files that ended launchers left are removed by the next agent, those of running ones stay", async () => {
  await using door = await openCniDoor();
  await Deno.mkdir(door.door, { mode: 0o700 });
  const hourAgo = new Date(Date.now() - 3_600_000);
  const asking = new Deno.Command("sleep", { args: ["100"] }).spawn();
  // No process has the first number; this process runs, but none asks for more than some minutes.
  const left = ["4194305.out", "4194305", `${Deno.pid}.out`];
  for (const name of [...left, `${asking.pid}.out`]) {
    await Deno.writeTextFile(`${door.door}/${name}`, "x");
  }
  await Deno.utime(`${door.door}/${Deno.pid}.out`, hourAgo, hourAgo);
  await using _agent = await startDoorAgent(door, "at once");
  await waitFor("files to be removed", async () => (await door.left()).length === 1);
  assertEquals(await door.left(), [`${asking.pid}.out`]);
  asking.kill("SIGKILL");
  await asking.status;
});

for (const shell of SHELLS) {
  Deno.test(`${shell.join(" ") || "the file"}: FIFOs of the agent's are taken, and if there is none, launchers make their own`, async () => {
    const held = Promise.withResolvers<void>();
    await using door = await openCniDoor(async () => {
      await held.promise;
      return { exit: 0, output: "{}" };
    });
    const free = async () => (await door.names()).filter((name) => name.startsWith("free."));
    const numbers = (await free()).map((name) => name.slice("free.".length));
    assertEquals(numbers.length, 64);
    // Another has taken all but two of them.
    for (const number of numbers.slice(2)) await Deno.writeTextFile(`${door.door}/${number}`, "");
    const calls = Array.from({ length: 5 }, () => callCni(door, ADD, { shell }));
    await waitFor("all calls", () => door.calls.length === 5);
    const fifos = (await door.left()).filter((name) =>
      /^\d+$/.test(name) && !numbers.includes(name)
    );
    assertEquals(fifos.length, 3);
    held.resolve();
    for (const ended of await Promise.all(calls)) assertEquals(ended, DONE);
    assertEquals((await free()).length, 62);
    assertEquals(await door.left(), numbers.slice(2).sort());
  });
}

Deno.test("a FIFO is gone before it counts as free: nobody reads the answer of another", async () => {
  await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
  // Deno drops what a busy program does not take at once, after 16 reports. The FIFO is reported when its name is removed
  // and when it is closed: where the first of these was dropped, the order is that of another call.
  await waitFor("a report of both, the FIFO first", async () => {
    const removed = await removedDuring(door.door, async () => {
      assertEquals(await callCni(door, STATUS), DONE);
    });
    const at = removed.findIndex((name) => NUMBER.test(name));
    return at > 0 && removed.slice(0, at).includes(`free.${removed[at]}`);
  }, { limitMs: 2_000 });
});

const NUMBER = /^\d+$/;

/** Returns the names of what was removed from a folder while `work` was done, up to the first number, in order. */
async function removedDuring(folder: string, work: () => Promise<void>): Promise<string[]> {
  const watcher = Deno.watchFs(folder);
  // A FIFO that is still open is reported twice.
  const removed = new Set<string>();
  const watching = (async () => {
    for await (const { kind, paths } of watcher) {
      for (const path of kind === "remove" ? paths : []) removed.add(path.split("/").at(-1)!);
    }
  })();
  try {
    await work();
    const isReported = () => [...removed].some((name) => NUMBER.test(name));
    await waitFor("a report", isReported, { limitMs: 3_000 }).catch(() => {}); // it may be lost
  } finally {
    watcher.close();
    await watching;
  }
  return [...removed];
}

Deno.test("of many calls at once, each has its own answer", async () => {
  await using door = await openCniDoor(async ({ containerId }) => {
    await new Promise((done) => setTimeout(done, Math.random() * 20));
    return { exit: 0, output: `{"id":"${containerId}"}` };
  });
  const lane = async (_: unknown, lane: number) => {
    for (let n = 0; n < 15; n++) {
      const containerId = `c${lane}x${n}`;
      const { code, out } = await callCni(door, { ...ADD, containerId });
      // One that found its FIFO taken goes on to the face.
      if (code !== 7) assertEquals(out, `{"id":"${containerId}"}\n`);
    }
  };
  await Promise.all(Array.from({ length: 20 }, lane));
});

Deno.test("new FIFOs follow when many are taken, and none is left when the agent stops", async () => {
  await using door = await openCniDoor(() => ({ exit: 0, output: "{}" }));
  const free = async () => (await door.names()).filter((name) => name.startsWith("free.")).length;
  for (let n = 0; n < 33; n++) assertEquals(await callCni(door, STATUS), DONE);
  await waitFor("new FIFOs", async () => await free() === 64);
  await door.close();
  assertEquals(await door.names(), ["ask"]);
});

Deno.test("a launcher that takes a FIFO of an agent that has just stopped goes on to the face", async () => {
  await using door = await openCniDoor();
  await Deno.mkdir(door.door, { mode: 0o700 });
  await using agent = await startDoorAgent(door, "at once");
  // It runs, and its FIFOs are those of no agent.
  freezeProcess(agent.pid);
  for (const name of await door.names()) {
    if (name.startsWith("free.")) await Deno.remove(`${door.door}/${name}`);
  }
  await Deno.writeTextFile(`${door.door}/free.1000000001`, "");
  const call = callCni(door, STATUS);
  await waitFor("the call", async () => (await door.left()).length === 1);
  Deno.kill(agent.pid, "SIGCONT");
  assertEquals(await call, DONE);
});

Deno.test("the door's folder is removed between question and answer: one answer", async () => {
  await using door = await openCniDoor(async () => {
    await Deno.remove(door.door, { recursive: true });
    return { exit: 0, output: "{}" };
  });
  const ended = await callCni(door, STATUS);
  assertEquals(ended, { code: 7, out: FACE_RETRY + STATUS.config, err: "" });
});
