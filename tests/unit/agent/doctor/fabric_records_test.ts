// What the checks of the network read of the store.

import { assertEquals } from "@std/assert";
import { fabricRecordsReader } from "../../../../lib/agent/doctor/fabric_records.ts";
import { contextOf, healthyParts, type Parts } from "./fake_machine.ts";

function withNetwork(): Parts {
  const parts = healthyParts();
  parts.database.put({
    "networks/t/n": {
      ...{ schema: 1, tenant: "t", name: "n", encap: "vxlan", tag: 5, tagBy: "user" },
      ...{ subnet: "10.0.0.0/24", subnetBy: "user" },
    },
  });
  return parts;
}

Deno.test("the records that several checks ask for are read once", async () => {
  const parts = withNetwork();
  let openings = 0;
  const { machine, settings } = contextOf(parts);
  const openStore = (...all: Parameters<typeof machine.openStore>) => {
    openings++;
    return machine.openStore(...all);
  };
  const read = fabricRecordsReader({ ...machine, openStore }, settings);
  const [one, other] = await Promise.all([read(), read()]);
  assertEquals([one === other, openings], [true, 1]);
  assertEquals([one.hosts.length, one.agents.length, one.networks.length], [2, 2, 1]);
});

Deno.test("networks are not read where they are too many for each host to do so", async () => {
  const parts = withNetwork();
  const { machine, settings } = contextOf(parts);
  const openStore = () => {
    const store = parts.store.another();
    store.count = (prefixes) =>
      Promise.resolve(prefixes.map((one) => one === "networks/" ? 20_001 : 0));
    return Promise.resolve(store);
  };
  const { hosts, networks } = await fabricRecordsReader({ ...machine, openStore }, settings)();
  assertEquals([hosts.length, networks], [2, []]);
});
