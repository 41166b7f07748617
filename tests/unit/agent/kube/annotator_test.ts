import { assertEquals } from "@std/assert";
import { Annotator } from "../../../../lib/agent/kube/annotator.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import { type HostPod, NETWORK_STATUS } from "../../../../lib/kube/objects.ts";
import type { Sandbox } from "../../../../lib/runtimes/runtime.ts";
import { Fault, type FaultCode } from "../../../../lib/util/errors.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { speedUpTimers } from "../fast_timers.ts";
import { attachmentOf } from "../pods/dynamic_records.ts";

speedUpTimers(100);

const podOf = (name: string, uid: string, status?: string): HostPod => ({
  ...{ namespace: "default", name, uid, version: "1", labels: {}, addresses: [], ports: [] },
  annotations: status === undefined ? {} : { [NETWORK_STATUS]: status },
  ...{ node: "host1", isHostNetwork: false, isEnding: false },
} as unknown as HostPod);

/** An annotator whose cluster has `pods`; each write fails with the first code of `failures`. */
function start(
  pods: HostPod[],
  attachments: readonly AttachmentRecord[] | undefined,
  { uid, failures = [] }: { readonly uid?: string; readonly failures?: FaultCode[] } = {},
) {
  const written: string[] = [];
  const log = new MemoryLog();
  let rounds = 0;
  const annotator = new Annotator({
    cluster: {
      pods: { isLive: true, objects: pods },
      annotate: (pod, _key, { before, after }) => {
        const code = failures.shift();
        if (code) return Promise.reject(new Fault(code, "refused"));
        written.push(
          `${pod.name}: ${before === null ? "-" : "+"} -> ${after === null ? "-" : "+"}`,
        );
        return Promise.resolve();
      },
    },
    runtimes: {
      // By a namespace's path no runtime knows a pod.
      findSandbox: (_, netns) =>
        Promise.resolve(
          uid === undefined || netns !== undefined ? undefined : { pod: { uid } } as Sandbox,
        ),
    },
    attachments: () => {
      rounds++;
      return attachments;
    },
    log,
  });
  const stop = new AbortController();
  const keeping = annotator.keep(stop.signal);
  /** Runs the annotator once more, to the end of its round: all it waits for resolves at once. */
  const run = async () => {
    const before = rounds;
    annotator.notifier.notify();
    while (rounds === before) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve));
  };
  const end = async () => {
    stop.abort();
    await keeping;
  };
  return { annotator, written, log, run, [Symbol.asyncDispose]: end };
}

Deno.test("the annotator writes the networks of a ready pod once", async () => {
  await using one = start([podOf("web", "u1")], [attachmentOf("web", "10.9.0.1")]);
  await one.run();
  await one.run();
  assertEquals(one.written, ["web: - -> +"]);
});

Deno.test("the annotator removes our networks from a pod without attachments", async () => {
  const status = '[{"name":"k8contivnet/t/blue","interface":"eth0"}]';
  await using one = start([podOf("web", "u1", status)], []);
  await one.run();
  assertEquals(one.written, ["web: + -> -"]);
});

Deno.test("the annotator writes nothing while the attachments are unknown, or for a planned one", async () => {
  const planned = attachmentOf("web", "10.9.0.1", { state: "planned" });
  for (const attachments of [undefined, [planned as AttachmentRecord]]) {
    await using one = start([podOf("web", "u1")], attachments);
    await one.run();
    assertEquals(one.written, []);
  }
});

Deno.test("the annotator does not annotate a new pod with its predecessor's networks", async () => {
  await using one = start([podOf("web", "u2")], [attachmentOf("web", "10.9.0.1")], { uid: "u1" });
  await one.run();
  assertEquals(one.written, []);
});

Deno.test("the annotator annotates a static pod, which the runtime knows by another UID", async () => {
  const mirror: HostPod = { ...podOf("web", "u1"), runtimeUids: ["hash"] };
  await using one = start([mirror], [attachmentOf("web", "10.9.0.1")], { uid: "hash" });
  await one.run();
  assertEquals(one.written, ["web: - -> +"]);
});

for (const uid of ["recorded", "hash"]) {
  Deno.test(`the annotator annotates each mirror of a static pod (UID ${uid})`, async () => {
    const pods: HostPod[] = [{ ...podOf("web", "u1"), runtimeUids: [uid] }];
    const attachment = attachmentOf("web", "10.9.0.1", uid === "hash" ? {} : { podUid: uid });
    await using one = start(pods, [attachment]);
    await one.run();
    pods[0] = { ...podOf("web", "u2"), runtimeUids: [uid] };
    await one.run();
    assertEquals(one.written, ["web: - -> +", "web: - -> +"]);
  });
}

Deno.test("the annotator knows a predecessor's networks by the recorded UID", async () => {
  const attachment = attachmentOf("web", "10.9.0.1", { podUid: "u1" });
  await using one = start([podOf("web", "u2")], [attachment]);
  await one.run();
  assertEquals(one.written, []);
});

Deno.test("the annotator warns once of writes that fail, and writes when it can", async () => {
  await using one = start([podOf("web", "u1")], [attachmentOf("web", "10.9.0.1")], {
    failures: ["unavailable", "unavailable", "conflict", "not_found"],
  });
  for (let n = 0; n < 5; n++) await one.run();
  assertEquals(one.written, ["web: - -> +"]);
  const warnings = one.log.lines.filter((line) => line.startsWith("warn"));
  assertEquals(warnings, ["warn network-status annotation not written: refused pod=default/web"]);
});
