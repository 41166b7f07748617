// The built file's plans, history and way back, with pods that run: connected throughout where the plan says so.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { HistoryItem, PlanAnswer } from "../../lib/agent/api/intent_requests.ts";
import { FILE, intentOf, startHost } from "../lab/host.ts";
import { pingOn } from "../lab/pings.ts";
import { waitFor } from "../lab/wait.ts";

const YAML = (pods: readonly string[]) => `
tenants:
  - name: t
    networks:
      - name: blue
        endpoints:
${pods.map((name) => `          - container: ${name} # a pod\n`).join("")}`;

Deno.test("an intent in YAML is planned, applied, recorded and taken back, and running pods notice nothing", async () => {
  await using host = await startHost(intentOf(2, "10.8.0.0/15"));
  const { agent, dir } = host;
  const [pod0, pod1] = [await host.pod("pod0"), await host.pod("pod1")];
  for (const pod of [pod0, pod1]) await agent.setup(pod);
  const address = await agent.addressOf(pod1);
  await using pings = pingOn(pod0, address, 0.05);
  await waitFor("the first pings", () => pings.answered > 3);

  await Deno.mkdir(`${dir}/intents`);
  await Deno.writeTextFile(`${dir}/intents/a.yaml`, YAML(["pod2"]));
  await Deno.writeTextFile(
    `${dir}/intents/b.json`,
    '{"Tenants":[{"Name":"t","Networks":[{"Name":"red"}]}]}',
  );
  const files = ["-f", `${dir}/intents`];
  const planned = await agent.call("plan", "--detailed-exitcode", ...files);
  assertEquals(planned.code, 2, planned.err);
  assertMatch(
    planned.out,
    /^all hosts\n {2}\+ network t\/red\n[^]*\nany host .*\n {2}\+ endpoint t\/blue\/pod2\n/,
  );
  assertEquals((await agent.call("apply", ...files)).code, 0);
  assertEquals((await agent.call("plan", "--detailed-exitcode", ...files)).code, 0);

  const listed = await agent.call("history", "-o", "json");
  const [last, first]: HistoryItem[] = JSON.parse(listed.out);
  assertEquals([last?.revision, last?.host, last?.source], [
    2,
    "host1",
    files[1] + "/a.yaml, " + files[1] + "/b.json",
  ]);
  assertEquals([first?.by, first?.source], ["agent", `${dir}/intent.json`]);
  assertEquals(last?.changes.map(({ op, key }) => `${op} ${key}`), [
    "create t/red",
    "create t/blue/pod2",
  ]);

  const back: PlanAnswer = JSON.parse((await agent.call("plan", "--to", "1", "-o", "json")).out);
  assertEquals([back.changes?.length, back.hosts], [2, {}]);
  const done = await agent.call("rollback", "1");
  assertEquals([done.code, done.err], [0, "changed: 2 objects, revision 3"]);
  assertEquals((await agent.call("get", "networks", "-o", "name")).out, "t/blue\n");

  // Going back to before the pods' endpoints would cut them off.
  const shown = await agent.call("plan", "--to", "0", "-o", "json");
  const cut: PlanAnswer = JSON.parse(shown.out);
  assertMatch(shown.err, /^warning: rollback will be refused: .*; .*--force/);
  assertEquals(cut.hosts?.host1?.cuts.map(({ pod }) => pod).sort(), [
    "default/pod0",
    "default/pod1",
  ]);
  const refused = await agent.call("rollback", "0");
  assertEquals(refused.code, 4);
  assertMatch(
    refused.err,
    /attached: |would detach default\/pod0 on host1, default\/pod1 on host1; .*--force/,
  );
  await waitFor("pings after all this", () => pings.last > 20);
  assertEquals(pings.missed(), []);
  assertEquals((await agent.call("rollback", "0", "--force")).code, 0);
  await waitFor(
    "the pods to be detached",
    async () => (await agent.attachments()).every(({ state }) => state !== "ready"),
  );
  assertEquals((await agent.call("rollback", "1")).code, 0);
  await waitFor(
    "the pods to be attached again",
    async () => (await agent.attachments()).filter(({ state }) => state === "ready").length === 2,
  );
  assertEquals(await agent.addressOf(pod1), address);
  assert(await pod0.reaches(address));
});

Deno.test("an error in YAML has file, line and column, before and after the agent is asked", async () => {
  await using host = await startHost(intentOf(1));
  const { agent, dir } = host;
  await Deno.writeTextFile(`${dir}/x.yaml`, "tenants:\n  - name: t\n    vlans: 1-x\n");
  for (const words of [["apply", "-f"], ["plan", "-f"], ["intent", "check"]]) {
    const { code, err } = await agent.call(...words, `${dir}/x.yaml`);
    assertEquals(code, 2);
    assertMatch(err, /x\.yaml, line 3, column 12: Tenants\[0\]\.Vlans/);
  }
  await Deno.writeTextFile(`${dir}/x.yaml`, "tenants:\n\t- name: t\n");
  assertMatch(
    (await agent.call("apply", "-f", `${dir}/x.yaml`)).err,
    /not valid YAML at line 2, column 1: Tabs/,
  );
  assertEquals((await agent.call("history", "-o", "name")).out, "1\n");
});

Deno.test("history keeps as many revisions as --history says, and survives kill -9", async () => {
  await using host = await startHost(intentOf(1), "--history", "2");
  const { agent, dir } = host;
  for (let n = 1; n <= 4; n++) {
    await Deno.writeTextFile(`${dir}/i.json`, JSON.stringify(intentOf(n + 1)));
    assertEquals((await agent.call("apply", "-f", `${dir}/i.json`)).code, 0);
  }
  await agent.stop("SIGKILL");
  await agent.start();
  await waitFor(
    "old revisions to be forgotten",
    async () => (await agent.call("history", "-o", "name")).out === "5\n4\n",
  );
  const { code, err } = await agent.call("rollback", "3");
  assertEquals([code, err], [
    3,
    "k8contivnet: revision 3 not found: revisions 4 to 5 are kept; see k8contivnet history",
  ]);
  assertEquals(
    (await new Deno.Command(FILE, { args: ["netplugin", "--history", "0"] }).output()).code,
    2,
  );
});
