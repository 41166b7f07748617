// Reads the bodies of requests: JSON objects of a bounded size, each field checked.

import type { CniInput } from "../../cni/cni_types.ts";
import { Fault, oneLine } from "../../util/errors.ts";
import { LONG_NAME_LIMIT, parseName, parseSandboxId } from "../../util/names.ts";
import type { DropsRequest, TraceRequest } from "../api/diagnosis_requests.ts";
import { INTENT_BYTES, type IntentRequest, type Origin } from "../api/intent_requests.ts";
import type { PodRequest } from "../api/pod_requests.ts";

// An intent inside a body is longer than by itself: each quote takes two bytes.
const BODY_BYTES = 2 * INTENT_BYTES;

/** A request's JSON object. */
export type Body = Readonly<Record<string, unknown>>;

/** Reads the body. Faults: usage, where it is not a JSON object or too long. */
export async function readBody(request: Request): Promise<Body> {
  const value = parseJson(await readText(request));
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Fault("usage", "request refused", {
    why: "its body is not a JSON object",
    fix: "use the k8contivnet commands",
  });
}

/** Never reads more than the limit: a length that is announced may be wrong. */
async function readText({ body, headers }: Request): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", Number(headers.get("content-length") ?? 0)];
  if (bytes <= BODY_BYTES) {
    bytes = 0;
    for await (const chunk of body ?? []) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES) break;
      text += decoder.decode(chunk, { stream: true });
    }
  }
  if (bytes <= BODY_BYTES) return text + decoder.decode();
  throw new Fault("usage", "request refused", {
    why: `its body is over ${BODY_BYTES} bytes`,
    fix: "apply the intent in parts",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Returns the pod and sandbox that a verb is about. Faults of all: usage. */
export function podOf(body: Body): PodRequest {
  return { ...podNameOf(body), sandbox: parseSandboxId(textOf(body, "sandbox")) };
}

/** Returns the pod's namespace and name. */
export function podNameOf(body: Body): { namespace: string; name: string } {
  return {
    namespace: parseName("namespace", textOf(body, "namespace"), LONG_NAME_LIMIT),
    name: parseName("pod name", textOf(body, "name"), LONG_NAME_LIMIT),
  };
}

/** Returns what a CNI runtime passed to the plugin; its values are checked where they are used. */
export function cniInputOf(body: Body): CniInput {
  return {
    command: textOf(body, "command"),
    containerId: textOf(body, "containerId"),
    netns: textOf(body, "netns"),
    ifname: textOf(body, "ifname"),
    args: textOf(body, "args"),
    path: textOf(body, "path"),
    config: textOf(body, "config"),
    isRetry: body.isRetry === true,
  };
}

/** Returns the host's label. */
export function hostOf(body: Body): string {
  return parseName("host", textOf(body, "host"), LONG_NAME_LIMIT);
}

const MODES = ["add", "replace", "delete", "bindings", "rollback"] as const;

/** Returns the intent to plan or apply. */
export function intentOf(body: Body): IntentRequest {
  const mode = MODES.find((one) => one === body.mode);
  if (!mode) throw new Fault("usage", `mode is not one of ${MODES.join(", ")}`);
  return {
    mode,
    text: textOf(body, "text"),
    ...(mode === "rollback" ? { to: revisionOf(body, "to") } : {}),
    force: body.force === true,
    strict: body.strict === true,
    ...body.base === undefined ? {} : { base: revisionOf(body, "base") },
    ...originOf(body),
  };
}

function revisionOf(body: Body, key: "base" | "to"): number {
  const number = body[key];
  if (typeof number === "number" && Number.isInteger(number) && number >= 0) return number;
  throw new Fault("usage", `request lacks "${key}"`, { fix: "use the k8contivnet commands" });
}

// For people, and in each revision's record: short.
const ORIGIN_LENGTH = 200;

/** Returns who asks, where that is said. */
function originOf({ origin }: Body): { readonly origin?: Origin } {
  if (typeof origin !== "object" || origin === null) return {};
  const text = (key: keyof Origin) =>
    oneLine(String(Reflect.get(origin, key) ?? ""), ORIGIN_LENGTH);
  return { origin: { by: text("by"), host: text("host"), source: text("source") } };
}

/** Returns `bind POD HOST [ID]` as a bindings file of one line. */
export function bindingOf(body: Body): IntentRequest {
  const binding = {
    Container: parseName("pod", textOf(body, "pod"), LONG_NAME_LIMIT),
    Host: hostOf(body),
    ...(body.attachUuid ? { AttachUUID: parseSandboxId(textOf(body, "attachUuid")) } : {}),
  };
  return { mode: "bindings", text: JSON.stringify([binding]) };
}

/** Returns a capture's next question. */
export function dropsOf({ after, pod }: Body): DropsRequest {
  const isNumber = typeof after === "number" && Number.isInteger(after) && after >= 0;
  if (after !== undefined && !isNumber) throw new Fault("usage", '"after" is not a number');
  return {
    ...isNumber ? { after } : {},
    ...typeof pod === "object" && pod !== null ? { pod: podNameOf({ ...pod }) } : {},
  };
}

/** Returns the packet to trace. */
export function traceOf(body: Body): TraceRequest {
  const protocol = (["tcp", "udp", "icmp"] as const).find((one) => one === body.protocol);
  if (!protocol) throw new Fault("usage", "protocol is not one of tcp, udp, icmp");
  const port = Number(body.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Fault("usage", `port ${port} is out of range (0-65535)`);
  }
  return {
    source: textOf(body, "source"),
    destination: textOf(body, "destination"),
    protocol,
    port,
  };
}

function textOf(body: Body, key: string): string {
  const value = body[key];
  if (typeof value === "string") return value;
  throw new Fault("usage", `request lacks "${key}"`, { fix: "use the k8contivnet commands" });
}
