// The certificates of a lab's etcd: a certificate authority of its own, one server and one client.

import { run } from "./run.ts";

/** Paths of a lab's certificates and keys, all PEM. */
export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** What the certificates are made for. */
export interface CertificateOptions {
  /** IP address that the server's certificate names. */
  readonly address: string;
  /** Another one. */
  readonly serviceAddress?: string;
  /** Name of the client, etcd's user where logins are by certificate. */
  readonly user: string;
  /** Leaves the client's use out of the server's certificate: etcd's JSON gateway then breaks. */
  readonly serverUseOnly: boolean;
}

/** Makes a certificate authority and its two certificates in `dir`; valid for forty days. */
export async function makeCertificates(
  dir: string,
  { address, serviceAddress = address, user, serverUseOnly }: CertificateOptions,
): Promise<Certificates> {
  const ca = `${dir}/ca.pem`;
  await openssl(
    "req",
    "-x509",
    ...NEW_KEY,
    ...files(`${dir}/ca`),
    "-subj",
    "/CN=lab",
    "-days",
    "40",
  );
  const uses = serverUseOnly ? "serverAuth" : "serverAuth,clientAuth";
  const names = `subjectAltName=IP:${address},IP:${serviceAddress}`;
  await sign(dir, "server", "etcd", `${names}\nextendedKeyUsage=${uses}\n`);
  await sign(dir, "client", user, "extendedKeyUsage=clientAuth\n");
  return {
    ca,
    serverCert: `${dir}/server.pem`,
    serverKey: `${dir}/server.key`,
    clientCert: `${dir}/client.pem`,
    clientKey: `${dir}/client.key`,
  };
}

/** Replaces the server's certificate by one that has expired a day ago; the key changes, too. */
export async function expireServer(dir: string, address: string): Promise<void> {
  const words = `subjectAltName=IP:${address}\nextendedKeyUsage=serverAuth,clientAuth\n`;
  await sign(dir, "server", "etcd", words, -1);
}

/** Replaces the client's certificate by one that has expired a day ago; the key changes, too. */
export async function expireClient(dir: string): Promise<void> {
  await sign(dir, "client", "root", "extendedKeyUsage=clientAuth\n", -1);
}

/** Makes another client's certificate by the authority in `dir`. */
export async function signClient(
  dir: string,
  user: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  await sign(dir, `client-${user}`, user, "extendedKeyUsage=clientAuth\n");
  return { cert: `${dir}/client-${user}.pem`, key: `${dir}/client-${user}.key` };
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

function files(stem: string): string[] {
  return ["-keyout", `${stem}.key`, "-out", `${stem}.pem`];
}

async function sign(
  dir: string,
  name: string,
  subject: string,
  extensions: string,
  days = 40,
): Promise<void> {
  const [request, words] = [`${dir}/${name}.csr`, `${dir}/${name}.ext`];
  await Deno.writeTextFile(words, extensions);
  const key = ["-keyout", `${dir}/${name}.key`, "-out", request];
  await openssl("req", ...NEW_KEY, ...key, "-subj", `/CN=${subject}`);
  const authority = ["-CA", `${dir}/ca.pem`, "-CAkey", `${dir}/ca.key`, "-CAcreateserial"];
  const out = ["-out", `${dir}/${name}.pem`, "-days", String(days), "-extfile", words];
  await openssl("x509", "-req", "-in", request, ...authority, ...out);
}

function openssl(command: string, ...words: string[]): Promise<string> {
  return run("openssl", [command, ...words]);
}
