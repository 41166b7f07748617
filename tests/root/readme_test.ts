// The README's commands, run as they stand there, in a fresh folder, by a shell.

import { assert, assertEquals } from "@std/assert";
import { FILE, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";

/** Returns the commands of the README's `sh` blocks that call this program, in order. */
async function commands(): Promise<string[]> {
  const text = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((found) => found[1] ?? "");
  return blocks.join("").split("\n").filter((line) => /^(k8contivnet|netdcli|ip) /.test(line));
}

Deno.test("the README's commands do what it says, in its order", async () => {
  const all = await commands();
  const agentAt = all.findIndex((line) => line.startsWith("k8contivnet netplugin"));
  assert(agentAt > 0 && all.length > 8, all.join("\n"));
  await using host = await startHost({});
  const dir = `${host.dir}/fresh`;
  await Deno.mkdir(`${dir}/bin`, { recursive: true });
  for (const name of ["k8contivnet", "netdcli"]) await Deno.symlink(FILE, `${dir}/bin/${name}`);
  const sh = async (line: string) => {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", line],
      cwd: dir,
      env: { PATH: `${dir}/bin:${Deno.env.get("PATH")}`, K8CONTIVNET_SOCKET: host.agent.socket },
      signal: hangSignal(60_000),
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  };
  for (const [at, line] of all.entries()) {
    if (at === agentAt) {
      // The same flags, with this lab's places.
      await host.agent.stop();
      await host.agent.start("--intent", `${dir}/intent.json`);
      continue;
    }
    const { code, out, err } = await sh(line);
    assertEquals(code, 0, `${line}\n${err}`);
    if (line.includes(" status ")) assertEquals(JSON.parse(out).ip, "10.20.0.10");
  }
});
