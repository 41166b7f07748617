import { assertEquals } from "@std/assert";
import type { LinkRow } from "../../../../lib/ovs/bridge/link_rows.ts";
import { trunkFlows, trunksFor } from "../../../../lib/ovs/uplink/trunk.ts";
import { type DesiredUplink, planUplink } from "../../../../lib/ovs/uplink/uplink.ts";
import { ANTISPOOF_COOKIES, LINK_COOKIES } from "../../../../lib/ovs/openflow/cookies.ts";

const place = { bridge: "contivBridge", owner: "h1" };
const row: LinkRow = {
  name: "up0",
  bridge: "contivBridge",
  owner: "h1",
  kind: "uplink",
  tag: undefined,
  vlanMode: "trunk",
  trunks: [110, 120],
  type: "",
  options: {},
  ofport: 5,
  error: undefined,
};
const desired = { device: "up0", tags: [120, 110] };
const SET = "-- clear Port up0 tag -- set Port up0 vlan_mode=trunk";

const cases: { name: string; links: LinkRow[]; desired?: DesiredUplink; want: string }[] = [
  { name: "does nothing when all is right", links: [row], desired, want: "" },
  {
    name: "adds the port as a trunk from its first moment",
    links: [],
    desired,
    want: "-- add-port contivBridge up0 vlan_mode=trunk trunks=110,120" +
      ' external_ids:k8contivnet="h1" external_ids:k8contivnet-kind=uplink',
  },
  {
    name: "repairs an empty trunk, which would carry all",
    links: [{ ...row, trunks: [] }],
    desired: { device: "up0", tags: [] },
    want: `${SET} trunks=4095`,
  },
  {
    name: "takes a tag out",
    links: [row],
    desired: { device: "up0", tags: [110] },
    want: `${SET} trunks=110`,
  },
  {
    name: "repairs a port that became an access port",
    links: [{ ...row, vlanMode: undefined, tag: 7 }],
    desired,
    want: `${SET} trunks=110,120`,
  },
  { name: "removes ours if none is desired", links: [row], want: "-- --if-exists del-port up0" },
  {
    name: "leaves another host's row alone",
    links: [{ ...row, owner: "h2" }],
    want: "",
  },
];
for (const { name, links, desired, want } of cases) {
  Deno.test(`planUplink() ${name}`, () => {
    assertEquals(planUplink({ links }, desired, place).join(" "), want);
  });
}

Deno.test("trunksFor() is never empty, as that would be all tags", () => {
  assertEquals(trunksFor([]), [4_095]);
  assertEquals(trunksFor([3, 1, 3]), [1, 3]);
});

Deno.test("trunkFlows() lets in the named tags and no other", () => {
  const cookies = LINK_COOKIES.uplink;
  assertEquals(trunkFlows({ ofport: 5, tags: [110], cookies }), [
    "cookie=0x6b38000200000000, priority=100,in_port=5,dl_vlan=110 actions=NORMAL",
  ]);
  assertEquals(trunkFlows({ ofport: 5, tags: [], cookies }), []);
});

Deno.test("LINK_COOKIES overlap neither with ANTISPOOF_COOKIES nor with each other, so that no sync deletes flows of another kind", () => {
  const all = [ANTISPOOF_COOKIES, ...Object.values(LINK_COOKIES)];
  const meets = all.filter(({ value }) =>
    all.filter((set) => (value & set.mask) === (set.value & set.mask)).length !== 1
  );
  assertEquals(meets, []);
});
