// Parses Docker's responses: one inspected container, a list, an event. The text is foreign; undefined is returned
// for what is not such a response. Pure.

import type { Naming } from "../pod_names.ts";

/** The fields used of an inspected container. */
export interface Container {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** 0 if it is not running. */
  readonly pid: number;
  readonly labels: Readonly<Record<string, string>>;
  /** `default`, `none`, `host`, `container:ID` and others. */
  readonly networkMode: string;
  /** File of its network namespace; empty if Docker keeps none. */
  readonly sandboxKey: string;
}

/** The fields used of a container in a list. */
export interface ListedContainer extends Naming {
  readonly id: string;
  /** Empty if the daemon does not say (below API 1.20). */
  readonly networkMode: string;
}

/** An event of a container. Name and labels are missing below API 1.22. */
export interface ContainerEvent {
  readonly action: string;
  readonly id: string;
  readonly naming: Naming | undefined;
}

/** Returns the container of an inspect response. */
export function parseContainer(text: string): Container | undefined {
  const root = recordIn(jsonIn(text));
  const state = recordIn(root?.State);
  const id = idIn(root?.Id);
  const pid = state?.Pid;
  if (id === undefined) return undefined;
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 0) return undefined;
  return {
    id,
    pid: state?.Running === true ? pid : 0,
    name: textIn(root?.Name),
    labels: labelsIn(recordIn(root?.Config)?.Labels),
    networkMode: textIn(recordIn(root?.HostConfig)?.NetworkMode),
    sandboxKey: textIn(recordIn(root?.NetworkSettings)?.SandboxKey),
  };
}

/** Returns the containers of a list; entries without a valid id are left out. */
export function parseList(text: string): ListedContainer[] | undefined {
  const entries = jsonIn(text);
  if (!Array.isArray(entries)) return undefined;
  return entries.flatMap((entry) => {
    const one = recordIn(entry);
    const id = idIn(one?.Id);
    if (!one || id === undefined) return [];
    return [{
      id,
      name: ownNameIn(one.Names),
      labels: labelsIn(one.Labels),
      networkMode: textIn(recordIn(one.HostConfig)?.NetworkMode),
    }];
  });
}

/** Returns the event in one line; undefined also for events that are not about containers. */
export function parseEvent(line: string): ContainerEvent | undefined {
  const event = recordIn(jsonIn(line));
  const actor = recordIn(event?.Actor);
  if (!event || (event.Type !== undefined && event.Type !== "container")) return undefined;
  // Below API 1.22 only `status` and `id`, from 1.52 on only the others.
  const id = idIn(actor?.ID) ?? idIn(event.id);
  const action = textIn(event.Action) || textIn(event.status);
  if (id === undefined || action === "") return undefined;
  const { name, ...labels } = labelsIn(actor?.Attributes);
  return { action, id, naming: name === undefined ? undefined : { name, labels } };
}

/** Returns the daemon's message in an error response. */
export function errorMessageOf(text: string): string {
  return textIn(recordIn(jsonIn(text))?.message) || text;
}

// Links of old Docker releases are names too, such as /other/alias.
function ownNameIn(value: unknown): string {
  const names = Array.isArray(value) ? value.map(textIn) : [];
  return (names.find((name) => name.lastIndexOf("/") === 0) ?? "").slice(1);
}

function idIn(value: unknown): string | undefined {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value) ? value : undefined;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function recordIn(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null ? { ...value } : undefined;
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function labelsIn(value: unknown): Record<string, string> {
  const pairs = Object.entries(recordIn(value) ?? {});
  return Object.fromEntries(pairs.map(([key, label]) => [key, textIn(label)]));
}
