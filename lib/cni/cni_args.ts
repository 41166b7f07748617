// CNI_ARGS: `;`-separated KEY=VALUE pairs. The reference implementation (containernetworking/cni pkg/types/args.go)
// splits in the same way, refuses what is not a pair, and unknown keys unless IgnoreUnknown is 1 or true.

import { isName, LONG_NAME_LIMIT } from "../util/names.ts";
import { isCidr, isIp, parseMac } from "./address_words.ts";
import { CNI_CODES, type CniArgs, CniError } from "./cni_types.ts";
import { compact, quoted } from "./json_fields.ts";

/** Keys that Kubernetes runtimes, podman and libcni pass. */
const KNOWN: readonly string[] = [
  "IgnoreUnknown",
  "K8S_POD_NAMESPACE",
  "K8S_POD_NAME",
  "K8S_POD_UID",
  "K8S_POD_INFRA_CONTAINER_ID",
  "IP",
  "MAC",
];

/** Parses CNI_ARGS; of a key that occurs twice, the last value counts. Errors: code 4. */
export function parseArgs(text: string): CniArgs {
  const pairs = new Map(text === "" ? [] : text.split(";").map(parsePair));
  refuseUnknown(pairs);
  return compact<CniArgs>({
    podNamespace: nameOf(pairs, "K8S_POD_NAMESPACE"),
    podName: nameOf(pairs, "K8S_POD_NAME"),
    podUid: nameOf(pairs, "K8S_POD_UID"),
    ip: ipOf(pairs),
    mac: macOf(pairs),
  });
}

function parsePair(pair: string): [string, string] {
  const [key = "", value, ...more] = pair.split("=");
  if (key !== "" && value !== undefined && more.length === 0) return [key, value];
  throw invalid(`CNI_ARGS has ${quoted(pair)}`, "it must have KEY=VALUE pairs, separated by ;");
}

type Pairs = ReadonlyMap<string, string>;

function refuseUnknown(pairs: Pairs): void {
  const ignores = pairs.get("IgnoreUnknown")?.toLowerCase() ?? "0";
  if (!["0", "1", "false", "true"].includes(ignores)) {
    throw notValid("IgnoreUnknown", ignores, "it must be 1, true, 0 or false");
  }
  if (ignores === "1" || ignores === "true") return;
  const unknown = [...pairs.keys()].filter((key) => !KNOWN.includes(key));
  if (unknown.length === 0) return;
  throw invalid(
    `CNI_ARGS has unknown keys: ${quoted(unknown.join(", "))}`,
    `known are ${KNOWN.join(", ")}; IgnoreUnknown=1 allows others`,
  );
}

/** Returns a name, or undefined where there is none or an empty one. */
function nameOf(pairs: Pairs, key: string): string | undefined {
  const name = pairs.get(key) || undefined;
  if (name === undefined || isName(name, LONG_NAME_LIMIT)) return name;
  throw notValid(
    key,
    name,
    `a name has letters, digits, _ . -, and at most ${LONG_NAME_LIMIT} characters`,
  );
}

function ipOf(pairs: Pairs): string | undefined {
  const ip = pairs.get("IP") || undefined;
  if (ip === undefined || isIp(ip) || isCidr(ip)) return ip;
  throw notValid("IP", ip, "it must be one address, such as 10.1.2.3");
}

function macOf(pairs: Pairs): string | undefined {
  const text = pairs.get("MAC") || undefined;
  const mac = text === undefined ? undefined : parseMac(text);
  if (text === undefined || mac !== undefined) return mac;
  throw notValid(
    "MAC",
    text,
    "it must be the address of one interface, such as 02:02:0a:01:02:03",
  );
}

function notValid(key: string, value: string, why: string): CniError {
  return invalid(`${key} ${quoted(value)} in CNI_ARGS is not valid`, why);
}

function invalid(what: string, why: string): CniError {
  return new CniError(CNI_CODES.invalidEnvironment, what, why);
}
