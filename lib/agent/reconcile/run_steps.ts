// Runs the steps of a reconciliation, each in its sandbox's turn. One that fails never stops the others;
// one that a set-up has overtaken does nothing.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { Runtimes } from "../../runtimes/runtime.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { LogDedup } from "../../util/log_dedup.ts";
import { setAttachmentFailed, setAttachmentState } from "../pods/attachment_state.ts";
import { desiredOf } from "../pods/desired.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import type { Plumbing } from "../pods/plumbing.ts";
import { hostEndOf } from "../pods/port_external_ids.ts";
import type { Sandboxes } from "../pods/sandboxes.ts";
import { planSteps, type Step } from "../pods/steps.ts";
import { attachmentKey, attachmentsOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";

/** What running steps works with. */
export interface RunStepsDeps extends HostView {
  readonly store: Pick<StoreCache, "documents" | "commit">;
  readonly plumbing: Pick<Plumbing, "apply" | "observe">;
  readonly runtimes: Pick<Runtimes, "isAlive">;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly sandboxes: Pick<Sandboxes, "queue">;
  readonly log: Pick<Log, "info" | "error">;
  readonly logDedup: LogDedup;
}

/** Runs one step; reports whether it succeeded. A failure is logged once and recorded. */
export async function runStep(deps: RunStepsDeps, step: Step): Promise<boolean> {
  const port = portOf(step);
  try {
    if (step.do === "detach") await removeStray(deps, step);
    else await repairPort(deps, step.attachment);
    deps.logDedup.forget(`step ${port}`);
    return true;
  } catch (error) {
    const fault = faultFrom(error);
    if (deps.logDedup.isNew(`step ${port}`, fault.message)) {
      deps.log.error(`${step.do} failed: ${fault.message}`, { port });
    }
    if (step.do !== "detach") await setAttachmentFailed(deps.store, step.attachment, fault.message);
    return false;
  }
}

function portOf(step: Step): string {
  return step.do === "detach" ? step.name : hostEndOf(step.attachment);
}

async function removeStray(
  { host, store, plumbing, log }: RunStepsDeps,
  step: Step & { do: "detach" },
): Promise<void> {
  const holder = attachmentsOf(store.documents, host).find((one) => hostEndOf(one) === step.name);
  if (holder) return;
  await plumbing.apply(step);
  log.info("stray port removed", { port: step.name, why: step.why });
}

/** Plans anew in the sandbox's turn, for that attachment alone, and does what is still needed. */
async function repairPort(deps: RunStepsDeps, attachment: AttachmentRecord): Promise<void> {
  const { store, plumbing, runtimes, tags, sandboxes, log } = deps;
  await sandboxes.queue.run(attachment.sandbox, async () => {
    const now = store.documents.get(attachmentKey(attachment))?.value as
      | AttachmentRecord
      | undefined;
    if (now?.id !== attachment.id || !await runtimes.isAlive(attachment)) return;
    const name = hostEndOf(attachment);
    const desired = desiredOf(tags, store.documents, now);
    const steps = planSteps([desired], await plumbing.observe((one) => one === name));
    for (const step of steps) await plumbing.apply(step);
    await setAttachmentState(store, now, "ready");
    if (steps.length > 0) log.info("port reconciled", { port: name, step: steps.at(-1)?.do });
  });
}
