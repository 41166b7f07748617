// Tokens of service accounts, signed as the API server signs them, so that a test can have one that
// ends in a second; the API itself makes none below ten minutes.

import { run } from "./run.ts";

/** What a token says beside whose it is. */
export interface TokenClaims {
  /** Seconds until it is refused; up to ten more while the API server remembers that it was good. */
  readonly seconds: number;
}

/** Whose token it is. */
export interface TokenSubject extends TokenClaims {
  readonly issuer: string;
  readonly namespace: string;
  readonly account: string;
  readonly uid: string;
}

// What the API server allows for clocks that differ.
const LEEWAY_SECONDS = 60;

/** Returns a token signed by the EC key (PEM as openssl writes it). */
export async function signToken(pem: string, subject: TokenSubject): Promise<string> {
  const { issuer, namespace, account, uid, seconds } = subject;
  const now = Math.floor(Date.now() / 1000);
  const head = part({ alg: "ES256", kid: await keyId(pem) });
  const body = part({
    aud: [issuer],
    iss: issuer,
    sub: `system:serviceaccount:${namespace}:${account}`,
    iat: now - 120,
    nbf: now - 120,
    exp: now + seconds - LEEWAY_SECONDS,
    "kubernetes.io": { namespace, serviceaccount: { name: account, uid } },
  });
  const text = new TextEncoder().encode(`${head}.${body}`);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(algorithm, await keyFrom(pem), text);
  return `${head}.${body}.${base64(new Uint8Array(signature))}`;
}

async function keyFrom(pem: string): Promise<CryptoKey> {
  const pkcs8 = await run("openssl", ["pkcs8", "-topk8", "-nocrypt"], { stdin: pem });
  const bytes = Uint8Array.fromBase64(pkcs8.replace(/-----[^-]+-----|\s/g, ""));
  return await crypto.subtle.importKey("pkcs8", bytes, EC, false, ["sign"]);
}

const EC = { name: "ECDSA", namedCurve: "P-256" };

/** Kubernetes names a key by its public part's SHA-256. */
async function keyId(pem: string): Promise<string> {
  const text = await run("openssl", ["ec", "-pubout"], { stdin: pem });
  const bytes = Uint8Array.fromBase64(text.replace(/-----[^-]+-----|\s/g, ""));
  return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

function part(value: unknown): string {
  return base64(new TextEncoder().encode(JSON.stringify(value)));
}

function base64(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
