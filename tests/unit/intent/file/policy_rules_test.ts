// Policies and their rules that parseIntent() refuses, and what it says then.

import { inRule, inTenant, testRefusals } from "../refused_intents.ts";

testRefusals([
  [inRule(`"Direction":"up"`), "Tenants[0].Policies[0].Rules[0].Direction"],
  [inRule(`"Direction":"in","Priority":101`), "Rules[0].Priority 101 is refused", "1 to 100"],
  [inRule(`"Direction":"in","ToGroup":"g"`), "Rules[0].ToGroup is refused", "use FromGroup"],
  [inRule(`"Direction":"out","FromNetwork":"g"`), "Rules[0].FromNetwork is refused", "use ToGroup"],
  [inRule(`"Direction":"in","Port":80`), "Rules[0].Port 80 is refused", "only tcp and udp"],
  [inRule(`"Direction":"in","Protocol":"sctp"`), "Rules[0].Protocol", "is not a valid protocol"],
  [inRule(`"Direction":"in","Protocol":"tcp","Port":65536`), "Rules[0].Port 65536 is refused"],
  [inRule(`"Direction":"in","Protocol":"tcp","Port":-1`), "Rules[0].Port -1 is refused"],
  ...["10.010.0.0/16", "10.01.0.1"].map((address) =>
    [
      inRule(`"Direction":"in","FromIpAddress":"${address}"`),
      "is not a valid IPv4 address",
      "without leading zeros",
    ] as const
  ),
  [
    inRule(`"Direction":"in","FromIpAddress":"fd00::/8"`),
    'Rules[0].FromIpAddress: "fd00::/8" is refused: it looks like IPv6',
  ],
  [
    inRule(`"Direction":"in","FromIpAddress":"10.0.0.0/8","FromGroup":"g"`),
    "Rules[0].FromIpAddress is refused: the rule names a group, too",
  ],
  [
    inRule(`"Direction":"in","FromNetwork":"n","FromGroup":"g"`),
    "Rules[0].FromNetwork is refused",
    "more narrowly",
  ],
  [
    inTenant(`"Policies":[{"Name":"p","Rules":[{"Id":"1","Direction":"in","Action":"deny"},
      {"Id":"1","Direction":"in","Action":"allow"}]}]`),
    'Policies[0].Rules[1].Id "1" is given twice',
  ],
]);
