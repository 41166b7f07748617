// contiv's groups and policies, with real traffic on one host.

import { assertEquals } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Host, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { Talker } from "../lab/talk.ts";

const PORTS = { tcp: [8000, 8001], udp: [53] };

const TENANT = tenantWith({
  Groups: [
    { Name: "web", Network: "blue", Policies: ["p1"] },
    { Name: "app", Network: "blue" },
  ],
  Policies: [{
    Name: "p1",
    Rules: [
      { Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" },
      {
        Id: "2",
        Priority: 100,
        Direction: "in",
        FromGroup: "app",
        Protocol: "tcp",
        Port: 8000,
        Action: "allow",
      },
    ],
  }],
  Networks: [{
    Name: "blue",
    Endpoints: [
      { Container: "web", Group: "web" },
      { Container: "app", Group: "app" },
      { Container: "other" },
    ],
  }],
});

async function talkers(host: Host, names: readonly string[]) {
  const pods: Pod[] = [];
  for (const name of names) {
    const pod = await host.pod(name);
    await host.agent.setup(pod);
    pods.push(pod);
  }
  return await Promise.all(pods.map(async (pod) => ({
    ip: await host.agent.addressOf(pod),
    talker: await Talker.start(pod, PORTS),
  })));
}

for (const driver of ["jsonrpc", "vsctl"]) {
  Deno.test(`${driver}: contiv's example holds: deny tcp, allow the app's group to port 8000`, () =>
    example(driver));
}

async function example(driver: string): Promise<void> {
  await using host = await startHost({ Tenants: [TENANT] }, "--ovs-driver", driver);
  await using stack = new AsyncDisposableStack();
  const [web, app, other] = await talkers(host, ["web", "app", "other"]);
  for (const one of [web, app, other]) stack.use(one!.talker);
  const seen = {
    "app to web 8000": await app!.talker.asks("tcp", web!.ip, 8000),
    "app to web 8001": await app!.talker.asks("tcp", web!.ip, 8001),
    "other to web 8000": await other!.talker.asks("tcp", web!.ip, 8000),
    "other to web udp": await other!.talker.asks("udp", web!.ip, 53),
    "other to web ping": await other!.talker.pod.pings(web!.ip),
    "web to other 8000": await web!.talker.asks("tcp", other!.ip, 8000),
    "other to app 8001": await other!.talker.asks("tcp", app!.ip, 8001),
  };
  assertEquals(seen, {
    "app to web 8000": true,
    "app to web 8001": false,
    "other to web 8000": false,
    "other to web udp": true,
    "other to web ping": true,
    "web to other 8000": true,
    "other to app 8001": true,
  });
}
