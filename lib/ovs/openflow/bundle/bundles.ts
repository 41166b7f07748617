// The quick way for a bundle of flows, as long as there is one: over a connection that is kept open. It
// is opened when it is wanted for the first time; a host without policies has none.

import { Reconnecting } from "../../transport/reconnecting.ts";
import { type BundleConnection, openBundles } from "./bundle_connection.ts";
import { encodeChange } from "./flow_mod.ts";

const OPEN_MS = 5_000;
// ovs-vswitchd reads 50 messages of a connection in a turn, whoever sends them: from some number on, the
// few turns less are no gain, and to make so many messages would hold up all else that the agent does
// (0.03 ms a line, cold 0.2). ovs-ofctl does it beside us.
const MOST_LINES = 500;

/** Bundles for one bridge. */
export class Bundles {
  readonly #path: string;
  #keeper: Reconnecting<BundleConnection> | undefined;
  #isClosed = false;

  /** `path` is that of `<bridge>.mgmt`. */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Does all lines of planFlows, or none, and reports true; false where this way is not open to them:
   * no connection, too many lines, or one that is not one of ours. Faults: those of the connection.
   */
  async send(lines: readonly string[], endMs: number): Promise<boolean> {
    const connection = this.#connection();
    if (!connection || lines.length > MOST_LINES) return false;
    const changes = lines.flatMap((line) => encodeChange(line) ?? []);
    if (changes.length !== lines.length) return false;
    await connection.send(changes, endMs);
    return true;
  }

  /** Resolves when it is known what became of all bundles so far. Faults: timeout. */
  async settled(endMs: number): Promise<void> {
    await this.#keeper?.current?.settled(endMs);
  }

  /** Ends the connection for good. */
  close(): void {
    this.#isClosed = true;
    this.#keeper?.close();
  }

  #connection(): BundleConnection | undefined {
    if (this.#isClosed) return undefined;
    this.#keeper ??= new Reconnecting({
      open: () => openBundles(this.#path, performance.now() + OPEN_MS),
      onReady: () => {},
      onLost: () => {},
    });
    return this.#keeper.current;
  }
}
