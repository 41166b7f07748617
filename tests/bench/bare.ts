// The lower bound for adding a port: from inserting its row into OVSDB, on an open connection, to the
// first answered ping of the pod behind it. The link and the ARP entries exist before; nothing else is done.

import { run } from "../../lib/util/run.ts";
import { openOvsdb, OvsdbConnection } from "../../lib/ovs/ovsdb/ovsdb_connection.ts";
import type { Ovs } from "../lab/ovs.ts";

const BRIDGE = "bare";
const PEER = "10.8.0.1";

/** A second bridge with one peer that answers pings. */
export class Bare implements AsyncDisposable {
  readonly #ovs: Ovs;
  readonly #db: OvsdbConnection;
  #count = 0;

  private constructor(ovs: Ovs, db: OvsdbConnection) {
    this.#ovs = ovs;
    this.#db = db;
  }

  static async start(ovs: Ovs): Promise<Bare> {
    await ovs.vsctl("add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev");
    const bare = new Bare(ovs, await openOvsdb(ovs.dbSocket));
    await makePair("barepeer", "bp", `${PEER}/16`);
    await ovs.vsctl("add-port", BRIDGE, "bp");
    return bare;
  }

  /** Returns the milliseconds from the insert to the first answered ping. */
  async insert(): Promise<number> {
    const n = ++this.#count % 200 + 2;
    const [netns, name] = [`bare${n}`, `b${n}`];
    await makePair(netns, name, `10.8.0.${n}/16`);
    await addNeighbours(netns, "barepeer", n);
    const ping = new Deno.Command("ip", {
      args: ["netns", "exec", netns, "ping", "-n", "-D", "-i", "0.002", "-w", "10", PEER],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    // The pings start before the port exists, so the first answer shows when it forwards.
    await new Promise((done) => setTimeout(done, 60));
    const start = performance.timeOrigin + performance.now();
    await this.#db.transact(insertOf(name), 5_000);
    const answered = await firstAnswer(ping.stdout);
    ping.kill("SIGKILL");
    await ping.status;
    await this.#ovs.vsctl("del-port", BRIDGE, name);
    await run("ip", ["netns", "del", netns]);
    return answered - start;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#db.close();
    await this.#ovs.vsctl("del-br", BRIDGE);
    await run("ip", ["netns", "del", "barepeer"]);
  }
}

async function makePair(netns: string, name: string, address: string): Promise<void> {
  await run("ip", ["netns", "add", netns]);
  await run("ip", ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", netns]);
  await run("ip", ["link", "set", name, "up"]);
  await run("ip", ["-n", netns, "addr", "add", address, "dev", "eth0"]);
  await run("ip", ["-n", netns, "link", "set", "eth0", "up"]);
}

/** Adds static ARP entries on both sides: a lost ARP request would be repeated only after one second. */
async function addNeighbours(netns: string, peer: string, n: number): Promise<void> {
  const macOf = async (name: string) =>
    (JSON.parse(await run("ip", ["-n", name, "-j", "link", "show", "eth0"])) as {
      address: string;
    }[])[0]!.address;
  const [mac, peerMac] = await Promise.all([macOf(netns), macOf(peer)]);
  const neigh = (name: string, address: string, lladdr: string) =>
    run("ip", ["-n", name, "neigh", "replace", address, "lladdr", lladdr, "dev", "eth0"]);
  await neigh(netns, PEER, peerMac);
  await neigh(peer, `10.8.0.${n}`, mac);
}

function insertOf(name: string): Record<string, unknown>[] {
  return [
    { op: "insert", table: "Interface", row: { name }, "uuid-name": "link" },
    {
      op: "insert",
      table: "Port",
      row: { name, interfaces: ["named-uuid", "link"] },
      "uuid-name": "port",
    },
    {
      op: "mutate",
      table: "Bridge",
      where: [["name", "==", BRIDGE]],
      mutations: [["ports", "insert", ["named-uuid", "port"]]],
    },
    { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["next_cfg", "+=", 1]] },
  ];
}

/** Reads `[seconds.micros] 64 bytes from …` as milliseconds since the epoch. */
async function firstAnswer(stdout: ReadableStream<Uint8Array>): Promise<number> {
  let text = "";
  for await (const chunk of stdout.pipeThrough(new TextDecoderStream() as never)) {
    text += chunk;
    const found = /\[(\d+\.\d+)\] \d+ bytes from/.exec(text);
    if (found) return Number(found[1]) * 1_000;
  }
  throw new Error("the bare port did not forward");
}
