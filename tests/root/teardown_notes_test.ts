// Notes of teardowns that were asked for while the agent did not answer: files beside its socket, or in its state folder.
// Needs files, and nothing else of this machine.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { TeardownNotes } from "../../lib/agent/server/teardown_notes.ts";
import type { CniAnswer, PodRequest } from "../../lib/agent/api/pod_requests.ts";
import { cniNoteName } from "../../lib/cni/cni_note.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { leaveNote } from "../../lib/faces/teardown_note.ts";
import { Fault } from "../../lib/util/errors.ts";
import { MemoryLog } from "../memory/memory_log.ts";

const [ONE, OTHER] = ["a".repeat(64), "b".repeat(12)];

const FOLDERS = ["agent.sock.notes", "teardown"];

const CALL: CniInput = {
  ...{ command: "DEL", containerId: "web-0", netns: "", ifname: "eth0", args: "" },
  ...{ path: "/opt/cni/bin", config: '{"cniVersion":"1.0.0","name":"blue"}' },
};

/** Makes a folder for socket and state, with these notes in its `folder`. */
async function start(notes: readonly string[], folder = FOLDERS[0]) {
  const stateDir = await Deno.makeTempDir({ prefix: "k8contivnet-notes-" });
  const dir = `${stateDir}/${folder}`;
  if (notes.length > 0) await Deno.mkdir(dir);
  for (const note of notes) await Deno.writeTextFile(`${dir}/${note}`, "");
  const log = new MemoryLog();
  const [tornDown, failing]: [PodRequest[], Set<string>] = [[], new Set()];
  const calls: CniInput[] = [];
  const agent: { answer: CniAnswer; tearDown?: () => Promise<void> } = {
    answer: { exit: 0, output: "" },
  };
  const handler = new TeardownNotes({
    ...{ socket: `${stateDir}/agent.sock`, stateDir, log },
    tearDown: (pod) => {
      if (agent.tearDown) return agent.tearDown();
      if (failing.has(pod.sandbox)) return Promise.reject(new Fault("timeout", "no answer"));
      return Promise.resolve(void tornDown.push(pod));
    },
    answerCni: (input) => {
      calls.push(input);
      return Promise.resolve(agent.answer);
    },
  });
  return {
    ...{ log, tornDown, failing, dir, calls, agent },
    handle: () => handler.handle(),
    add: () => handler.answerCni({ ...CALL, command: "ADD" }),
    /** Leaves the note of a DEL as the CNI face does, with `text` in it. */
    leave: async (text = JSON.stringify(CALL)) => {
      const name = await cniNoteName(CALL.containerId, CALL.ifname);
      await leaveNote(dir, { name, text, what: "DEL" });
    },
    left: async () => (await Array.fromAsync(Deno.readDir(dir), ({ name }) => name)).sort(),
    [Symbol.asyncDispose]: () => Deno.remove(stateDir, { recursive: true }),
  };
}

for (const folder of FOLDERS) {
  Deno.test(`each note in ${folder} is torn down by its sandbox alone, and goes`, async () => {
    await using notes = await start([ONE, OTHER], folder);
    await notes.handle();
    const pods = notes.tornDown.toSorted((a, b) => a.sandbox < b.sandbox ? -1 : 1);
    assertEquals(pods, [ONE, OTHER].map((sandbox) => ({ namespace: "", name: "", sandbox })));
    assertEquals([await notes.left(), notes.log.lines], [[], []]);
  });
}

Deno.test("a note whose teardown fails stays for the next time, stops no other, and is logged", async () => {
  await using notes = await start([ONE, OTHER]);
  notes.failing.add(ONE);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown.length], [[ONE], 1]);
  assertEquals(notes.log.lines.length, 1);
  assertStringIncludes(notes.log.lines[0]!, `no answer sandbox=${ONE}`);
  notes.failing.clear();
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown.length], [[], 2]);
});

Deno.test("files whose names are not sandbox ids are left alone", async () => {
  const others = ["..keep", "A".repeat(64), "a".repeat(11), `${ONE}.new`];
  await using notes = await start(others);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown], [others.sort(), []]);
});

Deno.test("a missing folder is not an error; what is in its place is logged once, and keeps no agent from its work", async () => {
  await using notes = await start([]);
  await notes.handle();
  assertEquals([notes.tornDown, notes.log.lines], [[], []]);
  await Deno.writeTextFile(notes.dir, "");
  await notes.handle();
  await notes.handle();
  assertEquals(notes.log.lines.length, 1);
  assertMatch(
    notes.log.lines[0]!,
    /teardown notes not read: \S+ is not a folder of this user; remove it/,
  );
});

Deno.test("notes in a folder of another user, or behind a link, are not handled", async () => {
  await using notes = await start([ONE]);
  await Deno.rename(notes.dir, `${notes.dir}.real`);
  await Deno.symlink(`${notes.dir}.real`, notes.dir);
  await notes.handle();
  await Deno.remove(notes.dir);
  await Deno.rename(`${notes.dir}.real`, notes.dir);
  await Deno.chown(notes.dir, 61234, 61234);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown], [[ONE], []]);
  await Deno.chown(notes.dir, Deno.uid(), Deno.gid());
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown.length], [[], 1]);
});

for (const folder of FOLDERS) {
  Deno.test(`the note of a DEL in ${folder} is that call, made once`, async () => {
    await using notes = await start([ONE], folder);
    await notes.leave();
    await notes.leave();
    assertEquals((await notes.left()).length, 2);
    await notes.handle();
    await notes.handle();
    assertEquals([notes.calls, notes.tornDown.length], [[CALL], 1]);
    assertEquals([await notes.left(), notes.log.lines], [[], []]);
  });
}

Deno.test("notes are handled eight at once", async () => {
  await using notes = await start(Array.from({ length: 30 }, (_, n) => `${n}`.padStart(12, "0")));
  let [now, most] = [0, 0];
  notes.agent.tearDown = async () => {
    most = Math.max(most, ++now);
    await new Promise((done) => setTimeout(done, 5));
    now--;
  };
  await notes.handle();
  assertEquals([most, now, await notes.left()], [8, 0, []]);
});

Deno.test("a draft of a killed writer is removed after a minute, not before", async () => {
  const draft = (id: string) => `${id}.${crypto.randomUUID()}.new`;
  const drafts = [draft(ONE), draft(`cni-${ONE}`)];
  await using notes = await start([...drafts, "x.new"]);
  await notes.handle();
  assertEquals((await notes.left()).length, 3);
  const past = new Date(Date.now() - 120_000);
  for (const name of await notes.left()) await Deno.utime(`${notes.dir}/${name}`, past, past);
  await notes.handle();
  assertEquals([await notes.left(), notes.tornDown, notes.calls], [["x.new"], [], []]);
});

Deno.test("a noted DEL that fails stays, is logged once, and is made again", async () => {
  await using notes = await start([]);
  await notes.leave();
  const output = JSON.stringify({ cniVersion: "1.0.0", code: 11, msg: "store unreachable" });
  notes.agent.answer = { exit: 1, output };
  await notes.handle();
  await notes.handle();
  assertEquals([notes.calls.length, (await notes.left()).length, notes.log.lines.length], [
    2,
    1,
    1,
  ]);
  assertStringIncludes(notes.log.lines[0]!, "note of a DEL kept: store unreachable path=");
  notes.agent.answer = { exit: 0, output: "" };
  await notes.handle();
  assertEquals([notes.calls.length, await notes.left()], [3, []]);
});

Deno.test("a noted DEL that can never succeed, and a note without a call, are removed with a warning", async () => {
  await using notes = await start([]);
  const output = JSON.stringify({ cniVersion: "1.0.0", code: 7, msg: "no name" });
  notes.agent.answer = { exit: 1, output };
  const texts = ["", "{", "null", "[]", "{}", JSON.stringify({ ...CALL, command: "ADD" })]
    .concat(JSON.stringify({ ...CALL, ifname: 5 }));
  for (const text of [JSON.stringify(CALL), ...texts]) {
    await notes.leave(text);
    await notes.handle();
    assertEquals(await notes.left(), []);
  }
  assertEquals([notes.calls.length, notes.log.lines.length], [1, 1 + texts.length]);
  assertStringIncludes(notes.log.lines[0]!, "note of a DEL removed: no name");
  assertStringIncludes(notes.log.lines[1]!, "note of a DEL removed: it holds no call");
});

Deno.test("an ADD forgets the DEL that was noted for the same id, also where there is none", async () => {
  await using notes = await start([]);
  await notes.add();
  await notes.leave();
  await notes.add();
  await notes.handle();
  assertEquals(notes.calls.map(({ command }) => command), ["ADD", "ADD"]);
  assertEquals([await notes.left(), notes.log.lines], [[], []]);
});

Deno.test("a noted DEL is before the ADD of the same id or not at all, whenever that comes", async () => {
  for (let late = 0; late < 30; late++) {
    await using notes = await start([]);
    await notes.leave();
    const handling = notes.handle();
    for (let turn = 0; turn < late; turn++) await Deno.lstat("/");
    await Promise.all([handling, notes.add()]);
    const commands = notes.calls.map(({ command }) => command).join(" ");
    assertEquals(["ADD", "DEL ADD"].includes(commands), true, commands);
    assertEquals([await notes.left(), notes.log.lines], [[], []]);
  }
});

Deno.test("many DELs of one attachment at once leave one note, and no draft of it", async () => {
  await using notes = await start([]);
  await Promise.all(Array.from({ length: 20 }, () => notes.leave()));
  assertEquals((await notes.left()).length, 1);
});
