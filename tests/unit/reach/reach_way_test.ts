// Which word opens the way of a pod's packet, in words; and that the flows agree is the flow machine's matter.

import { assertEquals } from "@std/assert";
import { reachWay } from "../../../lib/reach/reach_way.ts";
import { MODEL } from "./example_model.ts";

/** Returns `allowed` or `denied`, and why. */
function wayOf(network: string, destination: string, isHosts = false): string {
  const from = MODEL.networks.find(({ id }) => id === network)!;
  const { isAllowed, by, to } = reachWay(MODEL, from, { destination, isHosts });
  return `${isAllowed ? "allowed" : "denied"}, ${to ?? "nowhere"}: ${by}`;
}

const ROWS: readonly (readonly [network: string, destination: string, want: string])[] = [
  ["one/blue", "192.0.2.1", "allowed, host: Reach of one/blue has outside"],
  ["sys/sys", "192.0.2.1", "denied, host: Reach of sys/sys does not have outside"],
  ["one/blue", "100.65.0.1", "allowed, host: Reach of one/blue has host"],
  ["one/blue", "100.66.0.2", "allowed, other host: Reach of one/blue has host"],
  ["two/red", "100.65.0.1", "denied, host: Reach of two/red does not have host"],
  [
    "two/red",
    "100.65.0.2",
    "denied, nowhere: two/red is aliased: on h2, its pods are known to nobody",
  ],
  ["one/dmz", "10.96.0.1", "denied, host: Reach of one/dmz does not have services"],
  ["two/red", "10.96.0.1", "allowed, host: Reach of two/red has services"],
  ["two/red", "169.254.20.10", "allowed, host: Reach of two/red has services"],
  ["one/blue", "169.254.169.254", "denied, nowhere: such addresses are not outside of the host"],
  ["one/blue", "10.9.9.2", "allowed, network: ReachNetworks has sys/sys"],
  ["two/red", "10.9.9.2", "denied, nowhere: ReachNetworks of two/red does not have sys/sys"],
  ["one/blue", "100.64.0.1", "denied, nowhere: it is an alias, which only its host knows"],
];

Deno.test("reachWay() names the word that opens or closes a way", () => {
  for (const [network, destination, want] of ROWS) {
    assertEquals(wayOf(network, destination), want, `${network} to ${destination}`);
  }
  const hosts = "allowed, host: Reach of one/blue has host";
  assertEquals(wayOf("one/blue", "198.51.100.1", true), hosts, "an address of the host itself");
});
