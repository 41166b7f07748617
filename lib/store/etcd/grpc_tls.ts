// TLS for gRPC as etcd's members want it: to addresses without a name, with a limit, and with an end.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { ChannelCredentials } from "@grpc/grpc-js";
import type { TlsFiles } from "./gateway.ts";

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;
type ConnectorParts = Parameters<ChannelCredentials["_createSecureConnector"]>;

/** What gRPC is told where a handshake came to no end. */
export const TLS_TIMEOUT = "no TLS in time";

/**
 * Returns the channel options for a server at `host`. Deno 2.9.6 takes no IP address as the name of a
 * TLS server, which gRPC gives it. With a dot behind it is a name, and the check of the certificate,
 * which drops the dot, still compares the address.
 */
export function targetName(host: string): Record<string, string> {
  return /^[0-9.]+$/.test(host) ? { "grpc.ssl_target_name_override": `${host}.` } : {};
}

/** gRPC's TLS, whose handshakes end in time and whose connections can all be ended at once. */
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

  /** Ends all connections, also those that still shake hands. */
  endAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  _isSecure(): boolean {
    return true;
  }

  _equals(other: ChannelCredentials): boolean {
    return other === this;
  }

  // gRPC itself waits for ever for a server that takes the connection and never speaks; each try
  // would leave one more socket (grpc-js 1.14).
  _createSecureConnector(...parts: ConnectorParts): Connector {
    const inner = this.#inner._createSecureConnector(...parts);
    return {
      connect: async (socket: Socket) => {
        this.#keep(socket);
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

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
