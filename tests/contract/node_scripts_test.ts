// What the agents' DaemonSet does on a node.

import { assertEquals } from "@std/assert";
import { CONFIG, CONFIGURATIONS, INSTALL_CONFIGURATION } from "../../lib/kube/node_scripts.ts";

Deno.test("a configuration that is installed is left alone, also on a node without cmp", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(`${dir}/cni.conflist`, `{"name": "x"}\n`);
  await Deno.writeTextFile(`${dir}/10-k8contivnet.conflist`, `{"name": "x"}\n`);
  const cat = (await new Deno.Command("sh", { args: ["-c", "command -v cat"] }).output()).stdout;
  await Deno.symlink(new TextDecoder().decode(cat).trim(), `${dir}/cat`);
  // The script never ends by itself.
  await Deno.writeTextFile(`${dir}/sleep`, "#!/bin/sh\nkill $PPID\n", { mode: 0o755 });
  const script = INSTALL_CONFIGURATION.replaceAll(CONFIG, dir).replaceAll(CONFIGURATIONS, dir);
  const command = new Deno.Command("/bin/sh", {
    ...{ args: ["-c", script], env: { PATH: dir }, clearEnv: true },
  });
  const { stdout, stderr, signal } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals([text(stdout), text(stderr), signal], ["", "", "SIGTERM"]);
});
