// How many connections the transport to a member of etcd keeps.

import { assertEquals } from "@std/assert";
import { gatewayTransport } from "../../lib/store/etcd/gateway.ts";
import { waitFor } from "../lab/wait.ts";

const [CALLS, MOST_IDLE] = [40, 16];

/** Returns how many connections to `port` of this host are open, as /proc/net/tcp (proc(5)) has them. */
function connectionsTo(port: number): number {
  const remote = `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , to, state]) => to === remote && state === "01").length;
}

Deno.test("after a busy moment, a member's transport keeps 16 connections of 40", async () => {
  const arrived = Promise.withResolvers<void>();
  let calls = 0;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async () => {
      if (++calls === CALLS) arrived.resolve();
      await arrived.promise;
      return Response.json({});
    },
  );
  const { port } = server.addr;
  const transport = gatewayTransport(`127.0.0.1:${port}`, undefined);
  const all = Array.from(
    { length: CALLS },
    () => transport.call("kv/range", {}, { limitMs: 20_000, token: undefined }),
  );
  await arrived.promise;
  assertEquals(connectionsTo(port), CALLS);
  await Promise.all(all);
  await waitFor("connections to be closed", () => connectionsTo(port) <= MOST_IDLE);
  assertEquals(connectionsTo(port), MOST_IDLE);
  transport.close();
});
