// `capture`: the command it becomes, and what it writes of dropped packets.

import { assertEquals, assertRejects } from "@std/assert";
import type {
  CapturedDrop,
  DropsRequest,
  SandboxRequest,
} from "../../../lib/agent/api/diagnosis_requests.ts";
import { capture, tcpdump } from "../../../lib/cli/capture.ts";
import { pcapngHead, pcapngPacket } from "../../../lib/cli/pcapng.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const interfaces = (...names: string[]) =>
  names.map((name) => ({ name, network: "t/n", addresses: [] }));

Deno.test("tcpdump runs on the pod's interface, as text on a terminal, else as a file", () => {
  const words = (names: string[], isTerminal: boolean, more = {}) =>
    tcpdump({ interfaces: interfaces(...names) }, {
      ...{ count: undefined, tail: [], shell: { output: { isTerminal } } },
      ...more,
    }).join(" ");
  assertEquals(words(["eth0"], true), "tcpdump -i eth0 -n -l");
  assertEquals(words(["eth0"], false), "tcpdump -i eth0 -U -w -");
  assertEquals(words(["eth0", "eth1"], false), "tcpdump -i any -U -w -");
  assertEquals(
    words([], true, { count: 5, tail: ["port", "80"] }),
    "tcpdump -i any -n -l -c 5 port 80",
  );
  assertEquals(
    words(["eth0"], false, { seconds: 90 }),
    "timeout --foreground --preserve-status --signal=INT 90 tcpdump -i eth0 -U -w -",
  );
});

Deno.test("--timeout must be a duration of a second at least", async () => {
  for (const timeout of ["0", "-1", "soon", "2d"]) {
    const shell = fakeShell([], {}, { drops: true, timeout });
    await assertRejects(async () => await capture.run(shell), Fault, "--timeout");
  }
});

const DROP: CapturedDrop = {
  ...{ at: "2026-01-02T03:04:05.678Z", message: "tcp a -> b by contiv policy t/p", policy: "t/p" },
  packet: Uint8Array.of(1, 2, 3, 4, 5).toBase64(),
};

Deno.test("a pcapng file has whole blocks, lengths and a comment", () => {
  const packet = pcapngPacket({ bytes: Uint8Array.of(1, 2, 3, 4, 5), atMs: 1_000, comment: "why" });
  const view = new DataView(packet.buffer);
  const word = (at: number) => view.getUint32(at, true);
  assertEquals([word(0), word(4), word(packet.length - 4)], [6, packet.length, packet.length]);
  assertEquals([word(12), word(16), word(20), word(24)], [0, 1_000_000, 5, 5]);
  assertEquals([...packet.slice(28, 36)], [1, 2, 3, 4, 5, 0, 0, 0]);
  assertEquals([...packet.slice(36, 44)], [1, 0, 3, 0, 119, 104, 121, 0]);
  assertEquals(packet.length % 4, 0);
  assertEquals(pcapngHead().length, 28 + 20);
});

function answering(...drops: CapturedDrop[][]) {
  const asked: DropsRequest[] = [];
  const answer = (request: DropsRequest) => {
    asked.push(request);
    const now = drops.shift() ?? [];
    return Promise.resolve({ next: asked.length, missed: 1, hasPolicies: true, drops: now });
  };
  return { asked, target: { drops: answer } };
}

Deno.test("--drops writes a file with comments, and lines beside it, until there are enough", async () => {
  const { asked, target } = answering([], [DROP, DROP], [DROP, DROP]);
  const shell = fakeShell([], target, { drops: true, count: "3" });
  await capture.run(shell);
  assertEquals(asked, [{}, { after: 1 }, { after: 2 }]);
  const file = Uint8Array.from(shell.stdoutBytes);
  const one = pcapngPacket({
    bytes: Uint8Array.of(1, 2, 3, 4, 5),
    atMs: Date.parse(DROP.at),
    comment: DROP.message,
  });
  assertEquals(file, Uint8Array.of(...pcapngHead(), ...one, ...one, ...one));
  assertEquals(shell.stderr.slice(1), [
    ...Array(3).fill("2026-01-02T03:04:05.678Z dropped tcp a -> b by contiv policy t/p"),
    "3 dropped packets, 3 more came too fast to be captured",
  ]);
});

Deno.test("--drops -o json prints one line for each packet", async () => {
  const { target } = answering([DROP]);
  const shell = fakeShell([], target, { drops: true, count: "1", format: "json" });
  await capture.run(shell);
  assertEquals(shell.stdout.map((line) => JSON.parse(line)), [DROP]);
});

Deno.test("--drops without a packet says where else they may be dropped", async () => {
  const cases = [
    [
      ["web-1"],
      0,
      "0 dropped packets here; what web-1 sends may be dropped on the hosts of its peers",
    ],
    [
      [],
      0,
      "0 dropped packets here; what pods here send may be dropped on the hosts of their peers",
    ],
    [[], 7, "0 dropped packets, 7 more came too fast to be captured"],
  ] as const;
  for (const [words, missed, last] of cases) {
    const target = {
      drops: () => Promise.resolve({ next: 1, missed, hasPolicies: true, drops: [] }),
      sandbox: (pod: SandboxRequest) =>
        Promise.resolve({
          ...pod,
          host: "h1",
          sandbox: "",
          netns: "",
          netnsInode: 1,
          interfaces: [],
        }),
    };
    const shell = fakeShell(words, target, { drops: true, timeout: "1" });
    await capture.run({ ...shell, output: { ...shell.output, isClosed: () => true } });
    assertEquals(shell.stderr.at(-1), last);
    assertEquals(shell.stderr.length, 2);
  }
});

Deno.test("capture refuses what it cannot do", async () => {
  const cases = [
    [[], {}, "capture needs one pod"],
    [["a", "b"], {}, 'capture got "a b": it takes one pod'],
    [["web"], { format: "json" }, "capture has no -o json"],
    [["web"], { count: "0" }, "out of range"],
    [["web"], {}, "needs the agent"],
    [[], { drops: true }, "needs the agent"],
    [["web"], { drops: true }, "needs the agent"],
    [["a", "b"], { drops: true }, "it takes one pod"],
    [[], { drops: true, format: "wide" }, "use -o json, or leave -o out: text on a terminal"],
  ] as const;
  for (const [words, options, message] of cases) {
    const run = async () => await capture.run(fakeShell(words, {}, options));
    await assertRejects(run, Fault, message);
  }
});
