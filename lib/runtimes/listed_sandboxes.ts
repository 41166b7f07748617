// From what Docker lists and tells to what may be a sandbox. App containers share the namespace of
// their pod's infra container, or of any other container: they are left out. Pure.

import { isName, LONG_NAME_LIMIT } from "../util/names.ts";
import type { ListedContainer } from "./docker/responses.ts";
import type { StreamEvent } from "./docker/docker_events.ts";
import { podFromNaming, roleOf } from "./pod_names.ts";
import type { ListedSandbox, RuntimeEvent } from "./runtime.ts";

/** Returns the containers that have a namespace of their own, as far as a list tells. */
export function sandboxesIn(containers: readonly ListedContainer[]): ListedSandbox[] {
  return containers.filter(mayBeSandbox).map((one) => {
    const pod = podFromNaming(one);
    // Its name goes into rows and logs; an endpoint cannot be called otherwise anyway.
    const name = isName(one.name, LONG_NAME_LIMIT) ? one.name : one.id.slice(0, 12);
    return { id: one.id, name, ...(pod && { pod }) };
  });
}

/** Returns what is worth telling: nothing of app containers. */
export function runtimeEventFrom(told: StreamEvent): RuntimeEvent | undefined {
  if (told.kind !== "event") return told;
  const { action, id, naming } = told.event;
  const kind = KINDS.get(action);
  const role = naming ? roleOf(naming) : "unknown";
  return kind === undefined || role === "app" ? undefined : { kind, sandbox: id, role };
}

const KINDS: ReadonlyMap<string, "started" | "ended" | "renamed"> = new Map([
  ["start", "started"],
  ["die", "ended"],
  ["rename", "renamed"],
]);

function mayBeSandbox(container: ListedContainer): boolean {
  const { networkMode } = container;
  return networkMode !== "host" && !networkMode.startsWith("container:") &&
    roleOf(container) !== "app";
}
