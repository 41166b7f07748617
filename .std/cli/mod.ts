// Own stand-in for the part of @std/cli that is used: same names, same behaviour.
export { parseArgs } from "./parse_args.ts";
export { unicodeWidth } from "./unicode_width.ts";
