import { assertEquals, assertRejects } from "@std/assert";
import { withPolicyCode } from "../../../../lib/agent/cni/policy_code.ts";
import { CniError } from "../../../../lib/cni/cni_types.ts";
import { Fault, type FaultCode } from "../../../../lib/util/errors.ts";

const failing = (code: FaultCode) =>
  withPolicyCode({ ensureFor: () => Promise.reject(new Fault(code, "no policy")) });

Deno.test("an ADD without its policies has error 102; what may pass by itself stays what it is", async () => {
  const error = await assertRejects(() => failing("failed").ensureFor(() => [1]), CniError);
  assertEquals([error.code, error.details], [102, "no policy"]);
  for (const code of ["unavailable", "timeout"] as const) {
    const fault = await assertRejects(() => failing(code).ensureFor(() => [1]), Fault);
    assertEquals(fault.code, code);
  }
  await withPolicyCode({ ensureFor: () => Promise.resolve() }).ensureFor(() => [1]);
});
