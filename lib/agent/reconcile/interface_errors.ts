// Logs the errors that Open vSwitch reports of our bridges and ports: each once, again when it changes, and
// when it is over. `status` shows them, too.

import type { Switch } from "../../ovs/switch.ts";
import type { Log } from "../../util/log.ts";

/** What is read, and where it is logged. */
export interface InterfaceErrorsDeps {
  readonly switch: Pick<Switch, "state">;
  readonly log: Pick<Log, "warn" | "info">;
}

/** Remembers which errors were logged. */
export class InterfaceErrors {
  readonly #deps: InterfaceErrorsDeps;
  #logged: ReadonlyMap<string, string> = new Map();

  constructor(deps: InterfaceErrorsDeps) {
    this.#deps = deps;
  }

  /** Logs what has changed since the last call. */
  log(): void {
    const { switch: ovs, log } = this.#deps;
    const { ovsdb, interfaceErrors = [] } = ovs.state();
    if (ovsdb === "down") return; // nothing is known
    const now = new Map(interfaceErrors.map(({ name, error }) => [name, error]));
    for (const [name, error] of now) {
      if (this.#logged.get(name) !== error) {
        log.warn("Open vSwitch reports an interface error", { interface: name, error });
      }
    }
    for (const name of this.#logged.keys()) {
      if (!now.has(name)) log.info("interface error is over", { interface: name });
    }
    this.#logged = now;
  }
}
