// From the text of a file to an intent, all or nothing: JSON, keys, types and values, then the rules between
// them. The only entry to the schema: only this room loads zod.

import * as z from "zod/mini";
import { Fault, oneLine } from "../util/errors.ts";
import { checkBindings, checkIntent } from "./file/check.ts";
import { NAMES, rename } from "./file/fields.ts";
import { closest, foldKeys, type Notes } from "./file/fold.ts";
import { parseJson } from "./file/parse_json.ts";
import { bindingsFile, type IntentFile, intentFile } from "./file/shape.ts";
import { checkReserved, type IsRecorded } from "./file/reserved_fields.ts";
import type { Binding, Intent, NetworkIntent, TenantIntent } from "./intent.ts";

/** Options of reading a file. */
export interface ReadOptions {
  /** Unknown keys are refused instead of warned of. @default false */
  readonly strict?: boolean;
  /** Reserved addresses that are recorded already are warned of, not refused. @default none is */
  readonly isRecorded?: IsRecorded;
  /** A host may have its name alone, as the file names what is to be deleted. @default false */
  readonly areNamesEnough?: boolean;
}

/** Returns the intent of a file's text, with warnings for its author. Faults: usage. */
export function parseIntent(
  text: string,
  { strict = false, isRecorded = () => false, areNamesEnough = false }: ReadOptions = {},
): { readonly intent: Intent; readonly warnings: readonly string[] } {
  const value = parseJson("intent", text);
  checkTop(value);
  const notes: Notes = { warnings: [], strict };
  const folded = foldKeys("intent", value, "", notes);
  if (Object.keys(value).length > 0 && Object.keys(folded as object).length === 0) {
    checkKnownKeys(value);
  }
  const file = read(intentFile, folded, "");
  if (file.InfraNetworks?.length) notes.warnings.push("InfraNetworks is read and has no effect");
  const intent = intentFrom(file);
  const reserved = checkReserved(intent, isRecorded);
  checkIntent(intent, { areNamesEnough });
  return { intent, warnings: [...notes.warnings, ...reserved, ...vtepWarnings(intent)] };
}

/**
 * Returns the bindings of a `-host-bindings-cfg` file: an array of Container, Host and, optionally,
 * AttachUUID. Unknown keys are ignored, as elements of an intent may be among them.
 * Faults: usage.
 */
export function parseBindings(text: string): Binding[] {
  const value = parseJson("bindings", text);
  if (!Array.isArray(value)) {
    throw new Fault("usage", "bindings are not an array", {
      why: 'expected a list of {"Container": …, "Host": …}',
      fix: "an intent goes to apply",
    });
  }
  const folded = foldKeys("binding", value, "", { warnings: [], strict: false });
  const bindings = read(bindingsFile, folded, "").map(bindingFrom);
  checkBindings("", bindings);
  return bindings;
}

/** Returns the JSON Schema of an intent file in the original's spelling, for editors. */
export function intentSchema(): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(intentFile, { io: "input" });
  return { ...schema, title: "k8contivnet intent" };
}

function checkTop(value: unknown): asserts value is Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return;
  const fix = Array.isArray(value)
    ? "an array of bindings goes to bind or -host-bindings-cfg"
    : 'see "k8contivnet intent example"';
  throw new Fault("usage", "intent is not an object", { why: "it must start with {", fix });
}

/** A file of something else would mean "remove everything" when it replaces the intent. */
function checkKnownKeys(value: Record<string, unknown>): void {
  const known = Object.keys(NAMES.intent);
  const spelled = Object.keys(value);
  if (spelled.some((key) => known.some((one) => one.toLowerCase() === key.toLowerCase()))) return;
  const meant = spelled.map((key) => closest(key, known)).find((key) => key !== undefined);
  throw new Fault("usage", "intent has none of Hosts, Tenants, HostBindings", {
    why: `it has "${oneLine(spelled.join(", "), 60)}"`,
    fix: meant ? `did you mean "${meant}"?` : 'see "k8contivnet intent example"',
  });
}

function read<T extends z.ZodMiniType>(schema: T, value: unknown, path: string): z.output<T> {
  const { success, data, error } = z.safeParse(schema, value);
  if (success) return data;
  const [first, ...others] = error.issues;
  if (!first) throw new Fault("usage", "intent is not accepted");
  const place = path + pathOf(first.path);
  const { what, why, fix } = issueParts(place, first, valueAt(value, first.path));
  throw new Fault("usage", what, {
    why,
    fix: others.length > 0 ? `${fix} (${others.length} more like this)` : fix,
  });
}

function issueParts(place: string, issue: z.core.$ZodIssue, value: unknown) {
  const fault = issue.code === "custom" ? issue.params?.fault : undefined;
  if (fault instanceof Fault) {
    return { what: `${place}: ${fault.what}`, why: fault.why, fix: fault.fix };
  }
  const fix = 'see "k8contivnet intent example"';
  if (typeof value === "number" && issue.message === "expected a string") {
    const quotes = `write it in quotes: "${value}"`;
    return { what: `${place} ${value} is refused`, why: issue.message, fix: quotes };
  }
  if (value === undefined) return { what: `${place} is missing`, why: issue.message, fix };
  return { what: `${place} ${describe(value)} is refused`, why: issue.message, fix };
}

/** Returns a path as people write it: `Tenants[0].Networks[1].PktTag`. */
function pathOf(path: readonly PropertyKey[]): string {
  const parts = path.map((part) => typeof part === "number" ? `[${part}]` : `.${String(part)}`);
  return oneLine(parts.join("").replace(/^\./, ""), 90);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, part) => typeof at === "object" && at !== null ? Reflect.get(at, part) : undefined,
    value,
  );
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return "[…]";
  return typeof value === "object" && value !== null ? "{…}" : oneLine(JSON.stringify(value), 40);
}

function intentFrom(file: IntentFile): Intent {
  const { Hosts = [], Tenants = [], HostBindings = [], ServiceCIDR, HostRange } = file;
  return {
    ...ServiceCIDR === undefined ? {} : { serviceCidrs: ServiceCIDR },
    ...HostRange === undefined ? {} : { hostRange: HostRange },
    hosts: Hosts.map((host) => rename(host, NAMES.host)),
    tenants: Tenants.map(tenantFrom),
    hostBindings: HostBindings.map(bindingFrom),
  };
}

function tenantFrom(tenant: NonNullable<IntentFile["Tenants"]>[number]): TenantIntent {
  const { networks = [], ...attributes } = rename(tenant, NAMES.tenant);
  return { ...attributes, networks: networks.map(networkFrom) };
}

type NetworkOfFile = NonNullable<NonNullable<IntentFile["Tenants"]>[number]["Networks"]>[number];

function networkFrom(network: NetworkOfFile): NetworkIntent {
  const { endpoints = [], ...attributes } = rename(network, NAMES.network);
  return { ...attributes, endpoints: endpoints.map((one) => rename(one, NAMES.endpoint)) };
}

function bindingFrom(binding: NonNullable<IntentFile["HostBindings"]>[number]): Binding {
  const { address: _unused, ...rest } = rename(binding, NAMES.binding);
  return rest;
}

function vtepWarnings({ hosts }: Intent): string[] {
  const hostByVtep = new Map<string, string>();
  return hosts.flatMap(({ name, vtepIp }) => {
    if (vtepIp === undefined) return [];
    const other = hostByVtep.get(vtepIp);
    hostByVtep.set(vtepIp, name);
    return other === undefined ? [] : [`hosts ${other} and ${name} have one VtepIp, ${vtepIp}`];
  });
}
