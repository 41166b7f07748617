import { assertEquals } from "@std/assert";
import { suspectsOf, wrongEnd } from "../../../../lib/agent/reconcile/pod_end_checks.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import type { LinkEvent } from "../../../../lib/net/link_events.ts";
import type { PodLink } from "../../../../lib/net/links.ts";

function attachment(id: string, parts: Partial<AttachmentRecord> = {}): AttachmentRecord {
  return {
    schema: 1,
    id,
    host: "host1",
    tenant: "t",
    network: "blue",
    endpoint: "pod",
    pod: { namespace: "default", name: "pod" },
    sandbox: "0123456789ab",
    netns: "/run/netns/0123456789ab",
    netnsInode: 4026532000,
    interface: "eth0",
    addresses: [`10.9.0.${id}/16`],
    gateway: "10.9.255.254",
    mac: `02:02:0a:09:00:0${id}`,
    mtu: 1500,
    generation: 1,
    state: "ready",
    ...parts,
  };
}

const both = [attachment("1"), attachment("2")];
const link = { kind: "link", name: "eth0", mac: both[0]!.mac, mtu: 1500, isUp: true } as const;
const events: readonly { what: string; event: LinkEvent; want: string }[] = [
  { what: "its address taken away", event: { kind: "address", address: "10.9.0.2" }, want: "2" },
  { what: "a stranger's address", event: { kind: "address", address: "10.9.0.9" }, want: "" },
  { what: "its link as it should be", event: link, want: "" },
  { what: "its link switched off", event: { ...link, isUp: false }, want: "1" },
  { what: "its link's other MTU", event: { ...link, mtu: 900 }, want: "1" },
  { what: "its link renamed", event: { ...link, name: "mine" }, want: "1" },
  {
    what: "its host end switched off",
    event: { ...link, name: "cv2", mac: "ca:fe:00:00:00:01", isUp: false },
    want: "2",
  },
  {
    what: "a stranger's link switched off",
    event: { ...link, name: "docker0", mac: "ca:fe:00:00:00:02", isUp: false },
    want: "",
  },
  { what: "its host end deleted", event: { kind: "gone", name: "cv1" }, want: "1" },
  { what: "the gateway of both", event: { kind: "route", gateway: "10.9.255.254" }, want: "1,2" },
  { what: "events that were lost", event: { kind: "lost" }, want: "1,2" },
];

for (const { what, event, want } of events) {
  Deno.test(`suspectsOf() of ${what} returns "${want}"`, () => {
    assertEquals(suspectsOf([event], both).map(({ id }) => id).join(), want);
  });
}

const right: PodLink = {
  name: "eth0",
  mac: "02:02:0a:09:00:01",
  mtu: 1500,
  isUp: true,
  addresses: ["10.9.0.1/16"],
};
const ends: readonly { what: string; links: PodLink[]; want: ReturnType<typeof wrongEnd> }[] = [
  { what: "an end as it was made", links: [right], want: undefined },
  {
    what: "an end with one address more",
    links: [{ ...right, addresses: ["10.9.0.1/16", "10.9.0.7/16"] }],
    want: undefined,
  },
  { what: "an end without its address", links: [{ ...right, addresses: [] }], want: "differs" },
  { what: "an end that is down", links: [{ ...right, isUp: false }], want: "differs" },
  {
    what: "an end with another MAC",
    links: [{ ...right, mac: "02:02:0a:09:00:09" }],
    want: "differs",
  },
  { what: "an end with another MTU", links: [{ ...right, mtu: 900 }], want: "differs" },
  { what: "an end by another name", links: [{ ...right, name: "mine" }], want: "gone" },
  { what: "no link at all", links: [], want: "gone" },
];

for (const { what, links, want } of ends) {
  Deno.test(`wrongEnd() of ${what} returns ${want}`, () => {
    assertEquals(wrongEnd(both[0]!, links), want);
  });
}
