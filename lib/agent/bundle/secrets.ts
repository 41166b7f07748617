// The secrets that are known on this host: of the agent's environment and flags, of its etcd and of its kubeconfig. They
// are read to be taken out of what leaves the host.

import type { AgentSettings } from "../api/agent_health.ts";
import { isSecretName } from "./redactor.ts";

/** What secrets are gathered from. */
export interface SecretSources {
  /** Names and values; of the agent, and of this process. */
  readonly environments: readonly Readonly<Record<string, string>>[];
  /** Arguments of the agent. */
  readonly flags: readonly string[];
  readonly settings: AgentSettings;
  /** Returns a file's text; empty if there is none. */
  readonly readText: (path: string) => Promise<string>;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const FIELD = /\b([\w-]+)["']?[ \t]*:[ \t]*["']?([^\s"',}]+)/g;

/** Returns all known secrets. */
export async function knownSecrets(sources: SecretSources): Promise<string[]> {
  const { environments, flags, settings, readText } = sources;
  const { etcdPasswordFile } = settings.storeOptions ?? {};
  const variables = environments.flatMap((one) => Object.entries(one));
  const named = variables.filter(([name]) => isSecretName(name)).map(([, value]) => value);
  const urls = [settings.store, ...variables.map(([, value]) => value), ...flags];
  const kubeconfigs = [
    ...variables.filter(([name]) => /KUBECONFIG$/.test(name)).flatMap(([, one]) => one.split(":")),
    ...flags.flatMap((flag, at) =>
      /^--?kubeconfig$/.test(flag)
        ? flags[at + 1] ?? []
        : /^--?kubeconfig=(.+)/.exec(flag)?.[1] ?? []
    ),
  ];
  const texts = await Promise.all(kubeconfigs.map(readText));
  const whole = [SERVICE_ACCOUNT, ...etcdPasswordFile ? [etcdPasswordFile] : []];
  const fields = texts.flatMap(secretFields);
  const tokenFiles = texts.flatMap((
    text,
  ) => [...text.matchAll(/tokenFile["']?\s*:\s*["']?([^\s"',]+)/g)])
    .map(([, path = ""]) => path);
  return [
    ...named,
    ...urls.flatMap(passwordOf),
    ...fields,
    ...await Promise.all([...whole, ...tokenFiles].map(readText)),
  ].filter((one) => one !== "");
}

/** Returns the secret values of a kubeconfig's text, YAML or JSON; of data in base64 also what it stands for. */
export function secretFields(text: string): string[] {
  return [...text.matchAll(FIELD)].flatMap(([, name = "", value = ""]) => {
    if (!isSecretName(name)) return [];
    return [value, ...name.endsWith("-data") ? decoded(value) : []];
  });
}

function decoded(base64: string): string[] {
  try {
    return [new TextDecoder().decode(Uint8Array.fromBase64(base64))];
  } catch {
    return [];
  }
}

/** Returns the password in a URL. */
function passwordOf(text: string): string[] {
  const password = /:\/\/[^\s/@:]*:([^\s/@]+)@/.exec(text)?.[1];
  if (password === undefined) return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password];
  }
}
