// TLS for gRPC as etcd needs it: to servers known by IP address, with a handshake time limit, and with all
// connections closed at the end.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { ChannelCredentials } from "@grpc/grpc-js";
import type { TlsFiles } from "./gateway.ts";

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type ConnectorParts = Parameters<ChannelCredentials["_createSecureConnector"]>;

/** Error that gRPC gets when a handshake does not end in time. */
export const TLS_TIMEOUT = "TLS handshake timed out";

/**
 * Returns the channel options for a server at `host`. gRPC passes an IP address as the TLS server name,
 * which Deno 2.9.6 does not accept. With a dot at its end it is a name, and the check of the
 * certificate, which drops the dot, still compares the address.
 */
export function targetName(host: string): Record<string, string> {
  return /^[0-9.]+$/.test(host) ? { "grpc.ssl_target_name_override": `${host}.` } : {};
}

/** gRPC's TLS with a time limit for handshakes, which can close all its connections at once. */
export class LimitedTls extends ChannelCredentials {
  readonly #inner: ChannelCredentials;
  readonly #limitMs: number;
  readonly #sockets = new Set<Socket>();

  constructor({ ca, cert, key }: TlsFiles, limitMs: number) {
    super();
    const bytes = (text: string | undefined) => text === undefined ? null : Buffer.from(text);
    this.#inner = ChannelCredentials.createSsl(bytes(ca), bytes(key), bytes(cert));
    this.#limitMs = limitMs;
  }

  /** Closes all connections, also those in a handshake. */
  closeAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  _isSecure(): boolean {
    return true;
  }

  _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  // gRPC itself waits forever for a server that accepts the connection and never answers; each try would
  // leak one more socket (grpc-js 1.14).
  _createSecureConnector(...parts: ConnectorParts): Connector {
    const inner = this.#inner._createSecureConnector(...parts);
    return {
      connect: async (socket: Socket) => {
        this.#track(socket);
        const timer = setTimeout(() => socket.destroy(new Error(TLS_TIMEOUT)), this.#limitMs);
        try {
          return await inner.connect(socket);
        } finally {
          clearTimeout(timer);
        }
      },
      waitForReady: () => inner.waitForReady(),
      getCallCredentials: () => inner.getCallCredentials(),
      destroy: () => inner.destroy(),
    };
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
