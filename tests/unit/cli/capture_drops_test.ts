import { assertEquals } from "@std/assert";
import { captureDrops } from "../../../lib/cli/capture_drops.ts";
import { fakeShell } from "./fake_shell.ts";

const DROP = {
  ...{ at: "2026-11-30T10:00:00.000Z", policy: "contiv policy t/p1" },
  message: "tcp a/b 10.1.1.2 -> a/c 10.1.1.1:80 by contiv policy t/p1",
  packet: "AAAA",
};
const TEXT = `${DROP.at} dropped ${DROP.message}`;

const formats = [
  { name: "a pcapng file to a pipe", options: {}, text: [], isPcap: true },
  { name: "text with -o table", options: { isFormatGiven: true }, text: [TEXT], isPcap: false },
  {
    name: "JSON with -o json",
    options: { format: "json", isFormatGiven: true } as const,
    text: [JSON.stringify(DROP)],
    isPcap: false,
  },
];
for (const { name, options, text, isPcap } of formats) {
  Deno.test(`capture --drops writes ${name}`, async () => {
    const answer = { next: 1, missed: 0, hasPolicies: true, drops: [DROP] };
    const shell = fakeShell([], { drops: () => Promise.resolve(answer) }, options);
    await captureDrops(shell, { count: 1, limitMs: undefined });
    assertEquals([shell.stdout, shell.stdoutBytes.length > 0], [text, isPcap]);
  });
}
