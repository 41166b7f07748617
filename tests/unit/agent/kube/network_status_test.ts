import { assertEquals } from "@std/assert";
import { statusChange } from "../../../../lib/agent/kube/network_status.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";

function attachment(network: string, name: string, address: string): AttachmentRecord {
  return {
    schema: 1,
    id: "0123456789a",
    host: "host1",
    tenant: "t",
    network,
    endpoint: "p",
    pod: { namespace: "default", name: "p" },
    sandbox: "0".repeat(64),
    netns: "/x",
    netnsInode: 1,
    interface: name,
    addresses: [address],
    mac: "02:02:0a:09:00:01",
    mtu: 1500,
    generation: 1,
    state: "ready",
  };
}

const BLUE = attachment("blue", "eth0", "10.9.0.1/16");
const RED = attachment("red", "net1", "10.8.0.1/16");
const BLUE_TEXT = '{"name":"k8contivnet/t/blue","interface":"eth0","ips":["10.9.0.1"],' +
  '"mac":"02:02:0a:09:00:01","default":true,"dns":{}}';
const RED_TEXT = '{"name":"k8contivnet/t/red","interface":"net1","ips":["10.8.0.1"],' +
  '"mac":"02:02:0a:09:00:01","dns":{}}';
const DEFAULT = '{"name":"cluster","interface":"eth0","ips":["10.9.0.1"],"default":true}';
const FOREIGN = '{"name":"multus/x","ips":["1.2.3.4"]}';

for (
  const { name, now, attachments, want } of [
    { name: "reports one network", now: undefined, attachments: [BLUE], want: `[${BLUE_TEXT}]` },
    {
      name: "reports several by interface",
      now: undefined,
      attachments: [RED, BLUE],
      want: `[${BLUE_TEXT},${RED_TEXT}]`,
    },
    { name: "leaves what is right", now: `[${BLUE_TEXT}]`, attachments: [BLUE], want: undefined },
    {
      name: "leaves what is right beside others'",
      now: `[${BLUE_TEXT},${FOREIGN}]`,
      attachments: [BLUE],
      want: undefined,
    },
    {
      name: "replaces what was",
      now: `[${RED_TEXT}]`,
      attachments: [BLUE],
      want: `[${BLUE_TEXT}]`,
    },
    {
      name: "keeps others' entries",
      now: `[${FOREIGN}]`,
      attachments: [BLUE],
      want: `[${FOREIGN},${BLUE_TEXT}]`,
    },
    {
      name: "leaves the default to another entry",
      now: `[${DEFAULT},${BLUE_TEXT}]`,
      attachments: [BLUE],
      want: `[${DEFAULT},${BLUE_TEXT.replace('"default":true,', "")}]`,
    },
    { name: "removes the last of ours", now: `[${BLUE_TEXT}]`, attachments: [], want: null },
    {
      name: "leaves others' when ours go",
      now: `[${FOREIGN},${BLUE_TEXT}]`,
      attachments: [],
      want: `[${FOREIGN}]`,
    },
    { name: "writes nothing for nothing", now: undefined, attachments: [], want: undefined },
    { name: "leaves what it cannot read", now: "{x", attachments: [BLUE], want: undefined },
    { name: "leaves what is not a list", now: "[1]", attachments: [BLUE], want: undefined },
  ]
) {
  Deno.test(`statusChange() ${name}`, () => assertEquals(statusChange(now, attachments), want));
}
