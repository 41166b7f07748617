// The fields of a kubeconfig's user by which it acts as another one, and the headers that kubectl sends for them. They
// restrict a login that may do more: without them, the agent would use all of its rights. Pure.

import { Fault } from "../util/errors.ts";

type Fields = Readonly<Record<string, unknown>>;
type Headers = readonly (readonly [header: string, value: string])[];

/** Returns the headers for a user's `as`, `as-uid`, `as-groups`, `as-user-extra`; `wrong` makes the Fault of a refusal. */
export function impersonationOf(
  user: Fields,
  wrong: (why: string, fix: string) => Fault,
): Headers {
  const refuse = (key: string, kind: string) =>
    wrong(`its ${key} is not ${kind}`, `correct ${key}`);
  const textOf = (key: string, value = user[key]): string => {
    if (value === undefined || value === null) return "";
    // A line break would begin another header.
    if (typeof value === "string" && !/\p{Cc}/u.test(value)) return value;
    throw refuse(key, "text");
  };
  const textsOf = (key: string, value = user[key]): string[] => {
    if (value === undefined || value === null) return [];
    if (Array.isArray(value)) return value.map((one) => textOf(key, one));
    throw refuse(key, "a list");
  };
  const extra = user["as-user-extra"] ?? {};
  if (typeof extra !== "object" || Array.isArray(extra)) throw refuse("as-user-extra", "a map");
  const [as, uid, groups] = [textOf("as"), textOf("as-uid"), textsOf("as-groups")];
  const extras = Object.entries(extra).flatMap(([key, values]) =>
    textsOf("as-user-extra", values).map((value) => [key, value] as const)
  );
  if (as === "") {
    if (uid === "" && groups.length === 0 && extras.length === 0) return [];
    throw wrong("its user has as-uid, as-groups or as-user-extra without as", 'set "as", too');
  }
  return [
    ["impersonate-user", bytesOf(as)],
    ...uid === "" ? [] : [["impersonate-uid", bytesOf(uid)] as const],
    ...groups.map((group) => ["impersonate-group", bytesOf(group)] as const),
    ...extras.map(([key, value]) =>
      [`impersonate-extra-${escapeKey(key)}`, bytesOf(value)] as const
    ),
  ];
}

/** Returns UTF-8 as a string of bytes, which is what a header may contain. */
function bytesOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Returns a key with all bytes in percent-encoding that a header's name may not contain, and "%" itself. */
function escapeKey(key: string): string {
  return bytesOf(key).replace(
    /[^A-Za-z0-9!#$&'*+.^_`|~-]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
