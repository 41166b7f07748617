// Very many connections, and a table of connections that is full: what a pod opens ends nothing of others.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { patient } from "../lab/limits.ts";
import { pingOn } from "../lab/pings.ts";
import type { Pod } from "../lab/pod.ts";
import { OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { ReachWorld } from "../lab/reach/reach_world.ts";
import { waitFor } from "../lab/wait.ts";

const CONNECTIONS = 10_000;
const FIRST_PORT = 20_000;
const SERVER_PORT = 9_999;

/** Answers each datagram. */
const SERVER = `
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${SERVER_PORT} });
  console.log("ready");
  for await (const [data, from] of socket) await socket.send(data, from).catch(() => {});
`;

/** Sends from so many ports, some at a time, until each has its answer; prints how many have. */
const CLIENT = `
  const [address, first, count, tries] = Deno.args.map((one, at) => at === 0 ? one : Number(one));
  const to = { transport: "udp", hostname: address, port: ${SERVER_PORT} };
  let [next, answered] = [first, 0];
  async function one(port) {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port });
    const answer = socket.receive().then(() => true, () => false);
    for (let n = 0; n < tries; n++) {
      await socket.send(new Uint8Array([1]), to).catch(() => 0);
      let timer;
      const late = new Promise((done) => timer = setTimeout(() => done(false), 200 * (n + 1)));
      const isAnswered = await Promise.race([answer, late]);
      clearTimeout(timer);
      if (isAnswered) { answered++; break; }
    }
    socket.close();
  }
  await Promise.all(Array.from({ length: 50 }, async () => {
    while (next < first + count) await one(next++);
  }));
  console.log(answered);
`;

function denoIn(pod: Pod, path: string, ...args: string[]): Deno.Command {
  const flags = ["--no-config", "--no-check", "--unstable-net", "--allow-net"];
  return new Deno.Command("ip", {
    args: ["netns", "exec", pod.id, Deno.execPath(), "run", ...flags, path, ...args],
    stdin: "null",
    stdout: "piped",
  });
}

/** A world with a server outside. */
async function startWorld() {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const [server, client] = [`${dir}/server.ts`, `${dir}/client.ts`];
  await Deno.writeTextFile(server, SERVER);
  await Deno.writeTextFile(client, CLIENT);
  const world = stack.use(await ReachWorld.start({ fabric: "vxlan" }));
  const child = denoIn(world.outside, server).spawn();
  const reader = child.stdout.getReader();
  stack.defer(async () => {
    await reader.cancel();
    child.kill("SIGKILL");
    await child.status;
  });
  await reader.read();
  const disposal = stack.move();
  return {
    world,
    /** Returns how many of `count` connections of a pod are answered. */
    async opens(name: string, count: number, { first = FIRST_PORT, tries = 8 } = {}) {
      const args = [OUTSIDE_ADDRESS, ...[first, count, tries].map(String)];
      const command = denoIn(world.pod(name), client, ...args).spawn();
      const timer = setTimeout(() => command.kill("SIGKILL"), patient(120_000));
      const { stdout } = await command.output();
      clearTimeout(timer);
      return Number(new TextDecoder().decode(stdout));
    },
    [Symbol.asyncDispose]: () => disposal.disposeAsync(),
  };
}

for (const [name, kind] of [["a2", "with its own address"], ["b1", "with an alias"]] as const) {
  Deno.test(`${CONNECTIONS} connections of a pod ${kind} are answered, and end nothing of others`, async () => {
    await using at = await startWorld();
    const { world } = at;
    await using pings = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, 0.1);
    assertEquals(await at.opens(name, CONNECTIONS), CONNECTIONS);
    const { last } = pings;
    await waitFor("answers behind them", () => pings.last > last + 10);
    assert(pings.answered > pings.last * 0.9, `${pings.answered} of ${pings.last}`);
    for (const other of ["a1", "b2", name]) {
      assertMatch(
        await world.talker(other).asksWho("tcp", "10.96.0.21", 80, { limitMs: 12_000 }) ?? "",
        /^[ab]3 saw /,
      );
    }
  });
}

Deno.test("a full table of Open vSwitch drops what is new and must be tracked, and nothing else; it says so, and heals", async () => {
  await using at = await startWorld();
  const { world } = at;
  const host = world.hostOf("b1");
  const appctl = (...words: string[]) => host.ovs.appctl(...words);
  const doctor = async () => (await host.agent.call("doctor", "-o", "json")).out;
  assert(await world.pod("b1").reaches(OUTSIDE_ADDRESS));
  assertMatch(await doctor(), /"\d+ of at most \d+ connections"/);
  const before = (await appctl("dpctl/ct-get-maxconns")).trim();
  await using pings = pingOn(world.pod("a1"), OUTSIDE_ADDRESS, 0.1);
  const count = Number(await appctl("dpctl/ct-get-nconns"));
  await appctl("dpctl/ct-set-maxconns", String(count + 20));
  assert(await at.opens("b1", 100, { tries: 1 }) < 100);
  assertMatch(await doctor(), /Open vSwitch tracks \d+ of at most \d+ connections/);
  // Tracked by nobody: pods of one network without a policy, and what the host alone translates.
  assert(await world.pod("a1").reaches("10.1.1.3"));
  const { last, answered } = pings;
  await waitFor("answers while it is full", () => pings.last > last + 10);
  assert(pings.answered > answered + 5, "pings of others have ended");
  await appctl("dpctl/ct-set-maxconns", before);
  await waitFor("new connections", async () => {
    return await at.opens("b1", 100, { first: FIRST_PORT + 1_000 }) === 100;
  });
});
