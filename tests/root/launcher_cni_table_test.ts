// Each row of the table of CNI calls, through the launcher and by the CNI face, with the same agent: the same answer.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CONFIG_LIMIT } from "../../lib/cni/config_limit.ts";
import type { CniInput } from "../../lib/cni/cni_types.ts";
import { variablesOf } from "../fixtures/cni_variables.ts";
import { FILE, intentOf, startHost } from "../lab/host.ts";
import { start } from "../lab/one_file.ts";
import { cniCases } from "../unit/cni/cni_cases.ts";

/** Reports whether the launcher must leave a call to the face. */
function isLeft({ config, command, ...values }: CniInput, socket: string): boolean {
  if (!["ADD", "DEL", "CHECK", "GC", "STATUS"].includes(command)) return true;
  if (!Object.values(values).every((value) => /^[A-Za-z0-9_.:;,=/@%+-]*$/.test(`${value}`))) {
    return true;
  }
  if (Object.values(values).some((value) => `${value}`.length > 4_000)) return true;
  if (config.length > CONFIG_LIMIT) return true;
  try {
    const own = JSON.parse(config).socket;
    return own !== undefined && own !== socket;
  } catch {
    return false;
  }
}

Deno.test("each call of the table has the same answer through the launcher and by the face", async () => {
  await using host = await startHost(intentOf(1));
  const { socket } = host.agent;
  const cache = Deno.env.get("K8CONTIVNET_CACHE") ?? "/run/k8contivnet-cache";
  const call = (input: CniInput, more: Record<string, string>) =>
    start([FILE], {
      env: { K8CONTIVNET_SOCKET: socket, ...variablesOf(input), ...more },
      stdin: input.config,
    });
  // No environment can have a NUL.
  const cases = cniCases.filter(({ input }) =>
    !Object.values(variablesOf(input)).join().includes("\0")
  );
  for (const { name, input, code, message } of cases) {
    const byLauncher = await call(input, { K8CONTIVNET_CACHE: "nowhere" });
    const byFace = await call(input, { K8CONTIVNET_CACHE: cache, K8CONTIVNET_DOOR: "none" });
    const wasLeft = byLauncher.err.startsWith('k8contivnet: cache folder "nowhere"');
    assertEquals(wasLeft, isLeft(input, socket), name);
    if (!wasLeft) assertEquals(byLauncher, byFace, name);
    if (code === 0) continue;
    const answer = JSON.parse(byFace.out);
    assertEquals([byFace.code, answer.code], [1, code], name);
    assertStringIncludes(`${answer.msg}; ${answer.details}`, message, name);
  }
  assert(cases.length > 150);
});
