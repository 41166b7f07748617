// The fault that makes a question worth asking of the whole store.

import { Fault } from "../../util/errors.ts";

/** No pod of that name is known: not_found. Of a store of which only a part is held, the rest may have it. */
export class UnknownPod extends Fault {
  constructor(what: string, fix: string) {
    super("not_found", what, { fix });
  }
}
