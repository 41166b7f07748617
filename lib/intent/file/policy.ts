// Schema of a tenant's groups and policies, in contiv's terms. They are stored as they were read; lib/policy
// interprets them.

import * as z from "zod/mini";
import { addressOrSubnet, id, list, name, object, oneOf, parsedOrNumber, whole } from "./types.ts";
import { Fault } from "../../util/errors.ts";

const PROTOCOLS: readonly string[] = ["tcp", "udp", "icmp", "igmp"];

const protocol = parsedOrNumber("tcp, udp, icmp, igmp or a protocol number", (text) => {
  if (PROTOCOLS.includes(text)) return text;
  if (/^\d{1,3}$/.test(text) && Number(text) < 256) return text;
  throw new Fault("usage", `"${text.slice(0, 40)}" is not a valid protocol`, {
    why: "expected tcp, udp, icmp, igmp or a number from 0 to 255",
    fix: "leave it out for any",
  });
});

const rule = object("what is allowed or denied", {
  Id: id("unique in its policy"),
  Priority: z.exactOptional(whole("the higher one wins; 1 where absent", 1, 100)),
  Direction: oneOf("in: to the group's endpoints, out: from them", ["in", "out"]),
  FromGroup: z.exactOptional(name("group that sends; with direction in")),
  FromNetwork: z.exactOptional(name("network that sends; with direction in")),
  FromIpAddress: z.exactOptional(addressOrSubnet("address or subnet that sends; direction in")),
  ToGroup: z.exactOptional(name("group that receives; with direction out")),
  ToNetwork: z.exactOptional(name("network that receives; with direction out")),
  ToIpAddress: z.exactOptional(addressOrSubnet("address or subnet that receives; direction out")),
  Protocol: z.exactOptional(protocol),
  Port: z.exactOptional(whole("tcp or udp port that is asked for; 0 means any", 0, 65_535)),
  Action: oneOf("what happens to what matches", ["allow", "deny"]),
});

/** Schema of `Policies[]`. */
export const policy = object("rules for the traffic of groups", {
  Name: name("unique in its tenant"),
  Rules: z.exactOptional(list(rule)),
});

/** Schema of `Groups[]`. */
export const group = object("endpoints of a network that policies protect", {
  Name: name("unique in its tenant"),
  Network: name("network whose endpoints the group takes in"),
  Policies: z.exactOptional(list(name("policy of this tenant"))),
});

/** A policy as it is stored. */
export type Policy = z.output<typeof policy>;
/** A rule as it is stored. */
export type Rule = z.output<typeof rule>;
/** A group as it is stored. */
export type Group = z.output<typeof group>;
