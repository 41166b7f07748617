// Which of Docker's containers and events concern sandboxes. App containers share the namespace of their pod's
// infra container, or of any other container: they are left out. Pure.

import { isName, LONG_NAME_LIMIT } from "../util/names.ts";
import type { ListedContainer } from "./docker/responses.ts";
import type { StreamEvent } from "./docker/docker_events.ts";
import { podFromNaming, roleOf } from "./pod_names.ts";
import type { ListedSandbox, RuntimeEvent } from "./runtime.ts";

/** Returns the containers that have a namespace of their own, as far as a list shows. */
export function sandboxesIn(containers: readonly ListedContainer[]): ListedSandbox[] {
  return containers.filter(mayBeSandbox).map((one) => {
    const pod = podFromNaming(one);
    // The name goes into OVSDB rows and logs; an endpoint cannot have another kind of name anyway.
    const name = isName(one.name, LONG_NAME_LIMIT) ? one.name : one.id.slice(0, 12);
    return { id: one.id, name, ...(pod && { pod }) };
  });
}

/** Returns the event that Docker's event stands for; undefined for app containers. */
export function runtimeEventFrom(streamed: StreamEvent): RuntimeEvent | undefined {
  if (streamed.kind !== "event") return streamed;
  const { action, id, naming } = streamed.event;
  const kind = KINDS.get(action);
  const role = naming ? roleOf(naming) : "unknown";
  return kind === undefined || role === "app" ? undefined : { kind, sandbox: id, role };
}

/** The actions of Docker that are followed. */
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
