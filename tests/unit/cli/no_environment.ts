// For unit tests, which may not read the environment: the yaml package asks for LOG_STREAM and LOG_TOKENS, by which its
// authors debug it. Import this before it.

import process from "node:process";

Object.defineProperty(process, "env", { value: {}, writable: true });
