// Building blocks of the file's schema. Each function returns a zod schema with the type, the message for a wrong
// one and, for text, strict parsing by the functions of ipam and util. `about` describes the field.

import * as z from "zod/mini";
import { addressRangeToText, parseAddressRange } from "../../ipam/addresses.ts";
import {
  addressToText,
  parseAddress,
  parseSubnet,
  SHORTEST_PREFIX,
  subnetToText,
} from "../../ipam/subnets.ts";
import { serviceRangeRefusal } from "../field_rules.ts";
import { parseDuration } from "../../util/durations.ts";
import { Fault, faultFrom, oneLine } from "../../util/errors.ts";
import { isLabelKey, isLabelValue } from "../../util/label_selectors.ts";
import { isLinkName, LONG_NAME_LIMIT, NAME_LIMIT, parseName } from "../../util/names.ts";

/** Returns a schema of strings that `parse` converts; its Fault becomes the issue. */
export function parsed<T>(about: string, parse: (text: string) => T) {
  return z.pipe(
    z.string("expected a string").check(z.describe(about)),
    z.transform((text: string, context): T => {
      try {
        return parse(text);
      } catch (error) {
        const fault = faultFrom(error);
        context.issues.push({
          code: "custom",
          input: text,
          message: fault.message,
          params: { fault },
        });
        return z.NEVER;
      }
    }),
  );
}

/** Returns a schema of whole numbers from `least` to `most`. */
export function whole(about: string, least: number, most: number) {
  const message = `expected a whole number from ${least} to ${most}`;
  return z.int(message).check(z.gte(least, message), z.lte(most, message), z.describe(about));
}

/** Returns a schema of an enumeration. */
export function oneOf<const T extends readonly string[]>(about: string, values: T) {
  return z.enum(values, `expected one of ${values.join(", ")}`).check(z.describe(about));
}

/** Returns a schema of true or false. */
export const yesOrNo = (about: string) =>
  z.boolean("expected true or false").check(z.describe(about));

// Half a surrogate pair is refused, too: stores would give it back as another character.
const LINE_END_OR_CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Returns a schema of free text on one line. */
export const line = (about: string, most: number) =>
  z.string("a string is wanted").check(
    z.refine(
      (text) => [...text].length <= most && !LINE_END_OR_CONTROL.test(text),
      `one line of at most ${most} characters is wanted`,
    ),
    z.describe(`${about}; one line, at most ${most} characters`),
  );

/** Returns a schema of arrays of `element`. */
export const list = <T extends z.ZodMiniType>(element: T) => z.array(element, "expected an array");

/** Returns a schema of lists without repetitions; in the order of `order`, if given. */
export const distinct = <T extends string>(
  texts: z.ZodMiniType<readonly T[]>,
  order?: readonly T[],
) =>
  z.pipe(
    texts,
    z.transform((list: readonly T[]): readonly T[] =>
      order ? order.filter((one) => list.includes(one)) : [...new Set(list)]
    ),
  );

/** Returns a schema of objects with these keys and no others. */
export const object = <T extends z.core.$ZodLooseShape>(about: string, shape: T) =>
  z.strictObject(shape, "expected an object").check(z.describe(about));

/** Returns a schema of objects whose values are strings, such as labels. */
export const texts = (about: string) =>
  z.record(z.string(), z.string("expected a string"), "expected an object")
    .check(z.describe(about));

/** Returns a schema of names of tenants, networks and the like. */
export const name = (about: string) => parsed(about, (text) => parseName("name", text, NAME_LIMIT));

/** Returns a schema of `NETWORK` and `TENANT/NETWORK`. */
export const networkName = (about: string) =>
  parsed(about, (text) => {
    const parts = text.split("/");
    if (parts.length <= 2) {
      return parts.map((part) => parseName("name", part, NAME_LIMIT)).join("/");
    }
    throw new Fault("usage", `"${oneLine(text, 40)}" is not the name of a network`, {
      why: "it has more than one slash",
      fix: 'write one such as "web" or "tenant-two/web"',
    });
  });

/** Returns a schema of names of hosts and pods, which may be longer. */
export const longName = (about: string) =>
  parsed(about, (text) => parseName("name", text, LONG_NAME_LIMIT));

/** Returns a schema of IPv4 addresses. */
export const address = (about: string) => parsed(about, readAddress);

/** Returns a schema of what `parse` reads of a string, or of a number as YAML has one without quotes. */
export const parsedOrNumber = <T>(about: string, parse: (text: string) => T) => {
  const text = parsed(about, parse);
  return z.pipe(
    z.union([z.string(), z.number()], "expected a string or a number").check(z.describe(about)),
    z.pipe(z.transform((written: string | number) => String(written)), text),
  );
};

/** Returns a schema of names that are often numbers, such as a rule's Id. */
export const id = (about: string) =>
  parsedOrNumber(about, (text) => parseName("name", text, NAME_LIMIT));

/** Returns a schema of an address or FIRST-LAST; the value is normalised text. */
export const addressRange = (about: string) =>
  parsed(about, (text) => addressRangeToText(parseAddressRange(text)));

/** Returns a schema of subnets that a pool can have, without host bits. */
export const subnet = (about: string) => parsed(about, readSubnet);

/** Returns a schema of subnets that services can have; link-local ones may be single addresses only. */
export const serviceRange = (about: string) => parsed(about, readServiceRange);

/** Returns a schema of an address or a subnet of any size, as in policies. */
export const addressOrSubnet = (about: string) =>
  parsed(about, (text) => {
    if (!text.includes(":")) {
      return text.includes("/") ? subnetToText(parseSubnet(text)) : readAddress(text);
    }
    throw new Fault("usage", `"${text.slice(0, 50)}" is refused`, {
      why: "it looks like IPv6, and networks have IPv4 addresses only",
      fix: "give an IPv4 address or subnet",
    });
  });

/** Returns a schema of interface names. */
export const link = (about: string) =>
  parsed(about, (text) => {
    if (isLinkName(text) && text !== "lo") return text;
    throw new Fault("usage", `"${text.slice(0, 40)}" is not a valid interface name`, {
      why: "1 to 15 letters, digits, _ . - are allowed, and not lo",
      fix: 'write one such as "eth0"',
    });
  });

/** Returns a schema of Kubernetes namespaces. */
export const namespace = (about: string) =>
  parsed(about, (text) => {
    if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text)) return text;
    throw new Fault("usage", `"${text.slice(0, 40)}" is not a valid namespace`, {
      why: "1 to 63 small letters, digits and - are allowed, no - at the ends",
      fix: 'write one such as "default"',
    });
  });

/** Returns a schema of a label's key. */
export const labelKey = (about: string) =>
  label(
    about,
    isLabelKey,
    "key",
    "letters, digits, _ . - are allowed, 63 at most, maybe after DOMAIN/",
  );

/** Returns a schema of a label's value. */
export const labelValue = (about: string) =>
  label(about, isLabelValue, "value", "letters, digits, _ . - are allowed, 63 at most, or nothing");

function label(about: string, isLabel: (text: string) => boolean, what: string, why: string) {
  return parsed(about, (text) => {
    if (isLabel(text)) return text;
    throw new Fault("usage", `"${oneLine(text, 40)}" is not a valid label ${what}`, {
      why,
      fix: "write one that pods can have",
    });
  });
}

// Ten years: longer than any cluster lives, and far below an overflow of dates.
const LONGEST_SECONDS = 10 * 365 * 24 * 3_600;

/** Returns a schema of seconds, or of a duration as Go writes it (`1h30m`); the value is in seconds. */
export const duration = (about: string) =>
  z.pipe(
    z.union([z.string(), z.number()], "expected seconds, or a text such as 1h30m")
      .check(z.describe(about)),
    z.transform((written: string | number, context): number => {
      try {
        return readDuration(String(written));
      } catch (error) {
        const fault = faultFrom(error);
        const { message } = fault;
        context.issues.push({ code: "custom", input: written, message, params: { fault } });
        return z.NEVER;
      }
    }),
  );

function readDuration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds <= LONGEST_SECONDS) return seconds;
  throw new Fault("usage", `"${text}" is too long`, {
    why: "ten years are the most",
    fix: "choose a shorter one",
  });
}

/** Returns a schema of unicast MAC addresses; the value is in lower case with colons. */
export const mac = (about: string) =>
  parsed(about, (text) => {
    const spelled = text.toLowerCase().replaceAll("-", ":");
    const isMac = /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(spelled);
    if (isMac && spelled !== "00:00:00:00:00:00") return spelled;
    throw new Fault("usage", `"${text.slice(0, 40)}" is not a unicast MAC address`, {
      why: "expected six bytes in hex, the first one even",
      fix: 'write one such as "02:00:00:00:00:01"',
    });
  });

function readAddress(text: string): string {
  return addressToText(parseAddress(text));
}

function readSubnet(text: string): string {
  const [, first, last, length] = /^([\d.]+) *- *([\d.]+)(\/\d+)$/.exec(text) ?? [];
  if (first !== undefined) throw rangeAsSubnet(text, `${first}-${last}`, `${first}${length}`);
  const subnet = parseSubnet(text);
  if (subnet.length >= SHORTEST_PREFIX) return subnetToText(subnet);
  throw new Fault("usage", `"${text}" is too large`, {
    why: `the shortest prefix is ${SHORTEST_PREFIX}`,
    fix: "choose a longer one",
  });
}

function readServiceRange(text: string): string {
  if (text.includes(":")) {
    throw new Fault("usage", `"${oneLine(text, 50)}" is refused`, {
      why: "it looks like IPv6, and networks have IPv4 addresses only",
      fix: "give IPv4 subnets",
    });
  }
  const subnet = readSubnet(text);
  const why = serviceRangeRefusal(parseSubnet(subnet));
  if (why === undefined) return subnet;
  throw new Fault("usage", `"${subnet}" is refused`, { why, fix: "give the cluster's own range" });
}

/** Later releases of the original took a range with a prefix length as a network's subnet. */
function rangeAsSubnet(text: string, range: string, around: string): Fault {
  const cidr = subnetToText(parseSubnet(around, { hostBits: "cut" }));
  return new Fault("usage", `"${oneLine(text, 40)}" is not a valid subnet`, {
    why: "it is a range of addresses",
    fix: `write "${cidr}"; a network's AllocRange takes "${range}"`,
  });
}
