// The network configuration of one plugin, as libcni passes it on standard input: the plugin's keys, with `name` and
// `cniVersion` of the list, `runtimeConfig` and `prevResult`. Keys that are not of this plugin are ignored.

import { Fault } from "../util/errors.ts";
import { isName, LONG_NAME_LIMIT, NAME_LIMIT } from "../util/names.ts";
import { parseSocketPath } from "../util/socket_path.ts";
import { isCidr, isIp, parseMac } from "./address_words.ts";
import { CONFIG_LIMIT, configTooLong } from "./config_limit.ts";
import { parseDns, parseDnsCapability, someDns } from "./cni_dns.ts";
import { parseResult } from "./cni_result.ts";
import {
  CNI_CODES,
  CNI_VERSIONS,
  type CniAttachmentKey,
  type CniCall,
  type CniConfig,
  CniError,
  type CniPorts,
  type CniResult,
  type CniRuntimeConfig,
  type CniVersion,
} from "./cni_types.ts";
import { compact, FieldReader, isObject, quoted, wrongType, wrongValue } from "./json_fields.ts";

/** Deeper JSON is refused: writing it out again would overflow the stack. */
const DEPTH_LIMIT = 100;

type Command = CniCall["command"];

/** The first version of the specification that has a command. */
const SINCE: Readonly<Record<Command, CniVersion>> = {
  ADD: "0.3.1",
  DEL: "0.3.1",
  CHECK: "0.4.0",
  GC: "1.1.0",
  STATUS: "1.1.0",
};

/**
 * Parses the configuration of a call. A DEL needs only `cniVersion`, `name` and `socket`: whatever else is wrong keeps
 * nobody from a deletion. Errors: codes 1, 2, 5, 6, 7.
 */
export function parseConfig(command: Command, text: string): CniConfig {
  const fields = new FieldReader(decode(text));
  const name = parseNetworkName(command, fields);
  const cniVersion = parseVersion(command, fields);
  const socket = parseSocket(fields);
  if (command === "DEL") return lenientConfig({ cniVersion, name, socket }, fields);
  return compact<CniConfig>({
    cniVersion,
    name,
    socket,
    tenant: nameIn(fields, "tenant", NAME_LIMIT),
    network: nameIn(fields, "network", NAME_LIMIT),
    endpoint: nameIn(fields, "endpoint", LONG_NAME_LIMIT),
    ports: parsePorts(fields),
    runtimeConfig: parseRuntimeConfig(fields.object("runtimeConfig")),
    dns: someDns(parseDns(fields.object("dns"))),
    prevResult: parsePrevResult(command, fields),
    validAttachments: command === "GC" ? parseAttachments(fields) : undefined,
  });
}

/**
 * Returns the version in which a call of this configuration is answered: its own, or if there is none that this plugin
 * speaks, the newest one.
 */
export function answerVersionOf(text: string): CniVersion {
  try {
    const { cniVersion } = decode(text);
    const version = CNI_VERSIONS.find((one) => one === cniVersion);
    if (version) return version;
  } catch {
    // The call itself fails with what is wrong.
  }
  return CNI_VERSIONS[CNI_VERSIONS.length - 1]!;
}

/** Returns the configuration's object. Errors: codes 5, 6. */
function decode(text: string): Readonly<Record<string, unknown>> {
  if (text.length > CONFIG_LIMIT) throw configTooLong("characters");
  const undecodable = (why: string) =>
    new CniError(CNI_CODES.decode, "the network configuration on standard input is not valid", why);
  if (text.trim() === "") throw undecodable("it is empty");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw undecodable(quotedReason(error, text));
  }
  if (!isObject(value)) throw undecodable(`it must be a JSON object, and is ${quoted(value)}`);
  if (!isWithin(value, DEPTH_LIMIT)) {
    throw undecodable(`its objects and lists are nested more than ${DEPTH_LIMIT} deep`);
  }
  return value;
}

/** Returns why JSON cannot be decoded: the parser's message, which has a position or a quotation. */
function quotedReason(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return `${message.slice(0, 120)} (${text.length} characters)`.replaceAll(/\s+/g, " ");
}

function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((one) => isWithin(one, depth - 1));
}

/** Reports whether the reference implementation takes this for a container id or a network's name (pkg/utils of 1.3). */
export function isReferenceName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name);
}

function parseNetworkName(command: Command, fields: FieldReader): string {
  const name = fields.string("name");
  if (name === undefined || name === "") {
    throw new CniError(
      CNI_CODES.invalidConfig,
      "the network configuration has no name",
      'its list must have a "name"',
    );
  }
  if (isName(name, LONG_NAME_LIMIT) || command === "DEL" && isReferenceName(name)) return name;
  throw wrongValue("name", name, nameRule(LONG_NAME_LIMIT));
}

function nameRule(limit: number): string {
  return "it must begin with a letter or digit, have only letters, digits, _ . -, no .., and at " +
    `most ${limit} characters`;
}

/** Returns the configuration's version, if it has `command`. Errors: codes 1, 7. */
function parseVersion(command: Command, fields: FieldReader): CniVersion {
  const text = fields.string("cniVersion");
  const version = CNI_VERSIONS.find((one) => one === text);
  if (!version) {
    throw new CniError(
      CNI_CODES.incompatibleVersion,
      text === undefined
        ? "the network configuration has no cniVersion"
        : `cniVersion ${quoted(text)} is not supported`,
      `supported are ${CNI_VERSIONS.join(", ")}`,
    );
  }
  const since = SINCE[command];
  if (CNI_VERSIONS.indexOf(version) >= CNI_VERSIONS.indexOf(since)) return version;
  throw new CniError(
    CNI_CODES.incompatibleVersion,
    `cniVersion ${version} of the network configuration has no ${command}`,
    `${command} needs ${since} or newer; supported are ${CNI_VERSIONS.join(", ")}`,
  );
}

function parseSocket(fields: FieldReader): string | undefined {
  const socket = fields.string("socket");
  if (socket === undefined) return undefined;
  // A relative path would depend on the runtime's working folder.
  if (!/^\/[^\0]*$/.test(socket)) {
    throw wrongValue("socket", socket, "it must be the absolute path of the agent's socket");
  }
  try {
    return parseSocketPath("socket", socket);
  } catch (error) {
    if (error instanceof Fault) throw wrongValue("socket", socket, error.why ?? error.message);
    throw error;
  }
}

function nameIn(fields: FieldReader, key: string, limit: number): string | undefined {
  const name = fields.string(key);
  if (name === undefined || isName(name, limit)) return name;
  throw wrongValue(key, name, nameRule(limit));
}

function parsePorts(fields: FieldReader): CniPorts | undefined {
  const ports = fields.string("ports");
  if (ports === undefined || ports === "plain" || ports === "warm") return ports;
  throw wrongValue("ports", ports, 'it must be "plain" or "warm"');
}

function parseRuntimeConfig(fields: FieldReader): CniRuntimeConfig {
  const macText = fields.string("mac");
  const mac = macText === undefined ? undefined : parseMac(macText);
  if (macText !== undefined && mac === undefined) {
    throw unsupported(fields.nameOf("mac"), macText, "it must be the address of one interface");
  }
  const ips = fields.strings("ips");
  const wrong = ips?.find((ip) => !isIp(ip) && !isCidr(ip));
  if (wrong !== undefined) {
    throw unsupported(fields.nameOf("ips"), wrong, "each must be an address, such as 10.1.2.3/24");
  }
  return compact<CniRuntimeConfig>({
    mac,
    ips,
    dns: someDns(parseDnsCapability(fields.object("dns"))),
    annotations: parseAnnotations(fields),
    hostPorts: parseHostPorts(fields),
  });
}

/** Returns the host ports that are requested; containerd begins the keys with a capital letter. Errors: code 7. */
function parseHostPorts(fields: FieldReader): readonly number[] | undefined {
  const ports = fields.objects("portMappings")
    .map((one) => one.inLowerCase().count("hostport") ?? 0).filter((port) => port > 0);
  return ports.length === 0 ? undefined : ports;
}

const unsupported = (key: string, value: string, why: string) =>
  wrongValue(key, value, why, CNI_CODES.unsupportedField);

const ANNOTATIONS = "io.kubernetes.cri.pod-annotations";

function parseAnnotations(fields: FieldReader): Readonly<Record<string, string>> | undefined {
  const value = fields.raw(ANNOTATIONS);
  if (value === undefined) return undefined;
  const name = fields.nameOf(ANNOTATIONS);
  if (!isObject(value)) throw wrongType(name, value, "an object");
  const entries = Object.entries(value).map(([key, text]): [string, string] => {
    if (typeof text === "string") return [key, text];
    throw wrongType(`${name}[${quoted(key)}]`, text, "a string");
  });
  return Object.fromEntries(entries);
}

function parsePrevResult(command: Command, fields: FieldReader): CniResult | undefined {
  if (command !== "ADD" && command !== "CHECK") return undefined;
  const value = fields.raw("prevResult");
  if (value !== undefined) return parseResult(value);
  if (command === "ADD") return undefined;
  throw new CniError(
    CNI_CODES.invalidConfig,
    "CHECK got no prevResult",
    "the runtime must pass the result of ADD",
  );
}

/** Keys of GC's list: that of the specification, and that of libcni up to 1.2.2. Newer ones send both. */
const ATTACHMENT_KEYS = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/**
 * Returns the attachments that are in use, of both keys together. A missing list is refused: read as an empty list, it
 * would disconnect every container. null is what libcni sends for a list that its caller left nil: CRI-O (1.32 to 1.36)
 * does so for a network without pods, other callers may have no list at all. So it is "unknown". Errors: code 7.
 */
function parseAttachments(fields: FieldReader): CniAttachmentKey[] | "unknown" {
  const present = ATTACHMENT_KEYS.filter((key) => fields.raw(key) !== undefined);
  if (present.length === 0) {
    if (ATTACHMENT_KEYS.some((key) => fields.isNull(key))) return "unknown";
    throw new CniError(
      CNI_CODES.invalidConfig,
      `GC got no ${ATTACHMENT_KEYS[0]}`,
      "without the list of attachments in use, nothing is removed; none in use is an empty list",
    );
  }
  const keys = present.flatMap((key) => fields.objects(key)).map((one) => ({
    containerId: filled(one, "containerID"),
    ifname: filled(one, "ifname"),
  }));
  return [...new Map(keys.map((key) => [`${key.containerId} ${key.ifname}`, key])).values()];
}

function filled(fields: FieldReader, key: string): string {
  const value = fields.string(key);
  if (value) return value;
  if (value === "") throw wrongValue(fields.nameOf(key), value, "it must not be empty");
  throw wrongType(fields.nameOf(key), value, "a string");
}

/** Returns what a DEL uses, without anything optional that is not valid. */
function lenientConfig(
  known: { cniVersion: CniVersion; name: string; socket: string | undefined },
  fields: FieldReader,
): CniConfig {
  return compact<CniConfig>({
    ...known,
    tenant: valid(() => nameIn(fields, "tenant", NAME_LIMIT)),
    network: valid(() => nameIn(fields, "network", NAME_LIMIT)),
    endpoint: valid(() => nameIn(fields, "endpoint", LONG_NAME_LIMIT)),
    runtimeConfig: {},
    prevResult: valid(() => parsePrevious(fields)),
  });
}

function parsePrevious(fields: FieldReader): CniResult | undefined {
  const value = fields.raw("prevResult");
  return value === undefined ? undefined : parseResult(value);
}

/** Returns what `parse` returns, or undefined where it throws a CniError. */
function valid<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof CniError) return undefined;
    throw error;
  }
}
