// What access to an API server consists of.

/** What a connection to an API server needs. */
export interface Access {
  /** `https://HOST:PORT` or `http://HOST:PORT`, with the path below it where there is one. */
  readonly server: string;
  /** PEM of the authorities that may sign the server's certificate; absent: the public ones. */
  readonly ca?: string;
  readonly token?: string;
  /** PEM of our certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
  /** Headers that ask for the rights of another user; each may occur several times. */
  readonly impersonation?: readonly (readonly [header: string, value: string])[];
  /** Namespace that a command means which names none. */
  readonly namespace: string;
}

/** What the user says beside the kubeconfig. */
export interface AccessOptions {
  /** Takes a server that is not asked over TLS. */
  readonly isInsecure?: boolean;
  /** Another context than the kubeconfig's own. */
  readonly context?: string | undefined;
}
