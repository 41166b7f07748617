import { assertEquals } from "@std/assert";
import { execMain } from "../../../lib/faces/exec.ts";

/** Runs a set-up for which K8CONTIVNET_SETUP_SECONDS is `text`, without a reachable agent. */
async function setUpFor(text: string): Promise<{ code: number; err: string[] }> {
  const err: string[] = [];
  // The path is too long for a socket: the call fails before it would need a permission.
  const socket = `/${"x".repeat(200)}`;
  const code = await execMain(["setup", "default", "pod0", "a".repeat(64)], {
    env: (name) => ({ K8CONTIVNET_SETUP_SECONDS: text, K8CONTIVNET_SOCKET: socket })[name],
    out: () => {},
    err: (line) => void err.push(line),
  });
  return { code, err };
}

for (const text of ["soon", "0", "-1", "Infinity", "1d"]) {
  Deno.test(`K8CONTIVNET_SETUP_SECONDS=${text} is refused by name, not taken for 60`, async () => {
    const { code, err } = await setUpFor(text);
    assertEquals([code, err.length], [2, 1]);
    assertEquals(err[0]?.startsWith(`k8contivnet: K8CONTIVNET_SETUP_SECONDS "${text}" is `), true);
  });
}

for (const text of ["", " ", "60", "0.1", "2m", "1min 30s"]) {
  Deno.test(`K8CONTIVNET_SETUP_SECONDS="${text}" is a duration, or not set`, async () => {
    assertEquals((await setUpFor(text)).err[0]?.startsWith("k8contivnet: socket /xxx"), true);
  });
}
