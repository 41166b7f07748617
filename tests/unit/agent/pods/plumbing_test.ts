// Steps on links and ports, on drivers in memory: what each does, and that one that fails is undone.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { AttachmentRecord, Document } from "../../../../lib/intent/records.ts";
import { attachmentKey } from "../../../../lib/agent/store/documents.ts";
import { LinkRemovals } from "../../../../lib/agent/pods/link_removals.ts";
import { createPlumbing } from "../../../../lib/agent/pods/plumbing.ts";
import { hostEndOf } from "../../../../lib/agent/pods/port_external_ids.ts";
import { Notifier } from "../../../../lib/util/async/notifier.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { WarmPorts } from "../../../../lib/agent/pods/warm_ports.ts";
import { createLog } from "../../../../lib/util/log.ts";
import { makeHost } from "../../../memory/memory_agent.ts";

const NETNS = "/run/netns/pod";
const refused = new Fault("failed", "refused by the test");

/** A host with one empty sandbox, and an attachment that is not made yet. */
function start() {
  const host = makeHost();
  const sandbox = host.kernel.addNamespace(NETNS);
  const attachment: AttachmentRecord = {
    ...{ schema: 1, id: "0123456789a", host: "host1", tenant: "t", network: "n", endpoint: "web" },
    ...{ pod: { namespace: "default", name: "web" }, sandbox: "pod", netns: NETNS },
    ...{ netnsInode: sandbox.inode, interface: "eth0", addresses: ["10.9.0.1/24"] },
    ...{ gateway: "10.9.0.254", mac: "02:02:0a:09:00:01", mtu: 1_450, generation: 1 },
    state: "planned",
  };
  const logged: string[] = [];
  const log = createLog({ write: (line) => void logged.push(line.slice(25)) });
  const reconcileSignal = new Notifier();
  let notified = 0;
  const documents = new Map<string, Document>();
  const parts = {
    ...{ host: "host1", store: { documents }, switch: host.switch, links: host.links },
    ...{ linkRemovals: new LinkRemovals(host.links, log, () => notified++), log },
    reconcileSignal: { notify: () => (notified++, reconcileSignal.notify()) },
  };
  const warmPorts = new WarmPorts({ ...parts, warmLinks: host.warmLinks });
  const plumbing = createPlumbing({ ...parts, warmPorts });
  return {
    ...{ host, sandbox, attachment, plumbing, logged, documents, name: hostEndOf(attachment) },
    notified: () => notified,
    attach: () => plumbing.apply({ do: "attach", attachment, tag: 100 }),
  };
}

Deno.test("attach makes the pair, then the port, and all of it can be observed", async () => {
  const { host, sandbox, plumbing, attach, name } = start();
  await attach();
  assertEquals([...host.kernel.host.links.keys()], [name]);
  assertEquals([...sandbox.links.keys()], ["eth0"]);
  const { rows, hostEnds } = await plumbing.observe();
  assertEquals([rows.map((row) => [row.name, row.tag]), hostEnds], [[[name, 100]], [name]]);
  assertEquals(await plumbing.observe(() => false), { rows: [], hostEnds: [] });
});

for (const moment of ["before", "after"] as const) {
  Deno.test(`attach leaves no link and no port where addPort fails ${moment} its work`, async () => {
    const { host, sandbox, attach } = start();
    host.switch.failNext("addPort", refused, moment);
    await assertRejects(attach, Fault, "refused by the test");
    assertEquals([host.switch.rows.size, host.kernel.host.links.size, sandbox.links.size], [
      0,
      0,
      0,
    ]);
  });

  Deno.test(`attach leaves no link where createPair fails ${moment} its work`, async () => {
    const { host, sandbox, attach } = start();
    host.links.recorder.fail("createPair", refused, { afterWork: moment === "after" });
    await assertRejects(attach, Fault, "refused by the test");
    assertEquals([host.kernel.host.links.size, sandbox.links.size], [0, 0]);
    assertEquals(host.switch.calls, []);
  });
}

Deno.test("an undo that fails is left to the next reconciliation, which is notified", async () => {
  const { host, attach, notified, logged } = start();
  host.switch.failNext("addPort", refused);
  host.links.recorder.fail("removeLinks", new Fault("timeout", "no answer"));
  await assertRejects(attach, Fault, "refused by the test");
  assertEquals(notified(), 1);
  assert(logged.some((line) => line.includes("undo left to the next reconciliation: no answer")));
});

Deno.test("an undo that hangs does not keep the caller waiting for its whole limit", async () => {
  const { host, attach } = start();
  host.switch.failNext("addPort", refused);
  const goOn = host.links.recorder.hold("removeLinks");
  await assertRejects(attach, Fault, "refused by the test");
  goOn();
});

Deno.test("port repairs the pod's side and adds the port anew; pod leaves the port alone", async () => {
  const { host, sandbox, attachment, plumbing, attach, name } = start();
  await attach();
  sandbox.links.get("eth0")!.isUp = false;
  host.switch.rows.delete(name);
  await plumbing.apply({ do: "port", attachment, tag: 101 });
  assertEquals([sandbox.links.get("eth0")!.isUp, host.switch.rows.get(name)?.tag], [true, 101]);
  sandbox.links.get("eth0")!.mtu = 9_000;
  host.switch.calls.length = 0;
  await plumbing.apply({ do: "pod", attachment, tag: 101 });
  assertEquals([sandbox.links.get("eth0")!.mtu, host.switch.calls], [1_450, []]);
});

Deno.test("retag moves the port and nothing else", async () => {
  const { host, attachment, plumbing, attach, name } = start();
  await attach();
  host.switch.calls.length = 0;
  await plumbing.apply({ do: "retag", attachment, tag: 200 });
  assertEquals([host.switch.rows.get(name)?.tag, host.switch.calls], [200, [`setTag ${name}`]]);
});

Deno.test("detach removes the port at once and the link soon after", async () => {
  const { host, plumbing, attach, name } = start();
  await attach();
  const { linksGone } = await plumbing.detach([name]);
  assertEquals([host.switch.rows.size, host.kernel.host.links.has(name)], [0, true]);
  await linksGone;
  assertEquals(host.kernel.host.links.has(name), false);
  await attach();
  await plumbing.apply({ do: "detach", name, why: "test" });
  assertEquals([host.switch.rows.size, host.kernel.host.links.size], [0, 0]);
});

Deno.test("syncFlows restores the flows of ports that are present, and of no other", async () => {
  const { host, attachment, plumbing, attach, name } = start();
  await attach();
  const flows = host.switch.flows();
  host.switch.loseFlows();
  await plumbing.syncFlows([{ attachment, tag: 100 }], new Set());
  assertEquals(host.switch.flows(), []);
  await plumbing.syncFlows([{ attachment, tag: 100 }], new Set([name]));
  assertEquals(host.switch.flows(), flows);
});

Deno.test("checksum offload is off until the bridge is known to be on the kernel's datapath", async () => {
  const { host, attachment, plumbing } = start();
  const offloads: boolean[] = [];
  host.links.createPair = (spec) => Promise.resolve(void offloads.push(spec.checksumOffload));
  await plumbing.apply({ do: "attach", attachment, tag: 100 });
  host.switch.ensureBridge = () => Promise.resolve("system");
  await plumbing.ensureBridge();
  assertEquals(plumbing.datapath, "system");
  await plumbing.apply({ do: "attach", attachment, tag: 100 });
  assertEquals(offloads, [false, true]);
});

Deno.test("foreignLinks lists neither the loopback nor our own interfaces", async () => {
  const { host, sandbox, attachment, documents, plumbing, attach } = start();
  documents.set(attachmentKey(attachment), { value: attachment, revision: 1 });
  await attach();
  host.kernel.addLink(sandbox, { name: "lo" });
  host.kernel.addLink(sandbox, { name: "eth7" });
  const links = await plumbing.foreignLinks({ sandbox: "pod", netns: NETNS });
  assertEquals(links.map(({ name }) => name), ["eth7"]);
});
