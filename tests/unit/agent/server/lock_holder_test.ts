// Who holds a lock, read from /proc.

import { assertEquals } from "@std/assert";
import { pidOf, unitOf } from "../../../../lib/agent/server/lock_holder.ts";
import { lockedFault } from "../../../../lib/agent/server/lock_file.ts";

const LOCKS = `1: POSIX  ADVISORY  WRITE 700 08:01:131 0 EOF
2: FLOCK  ADVISORY  WRITE 812 08:01:131 0 EOF
2: -> FLOCK  ADVISORY  WRITE 900 08:01:131 0 EOF
3: FLOCK  ADVISORY  WRITE 813 08:02:131 0 EOF
4: FLOCK  ADVISORY  WRITE 0 08:01:132 0 EOF
5: FLOCK  ADVISORY  WRITE 814 103:10002:133 0 EOF
`;

Deno.test("pidOf() finds the holder of a file's lock by device and inode", () => {
  assertEquals(pidOf(LOCKS, 0x801, 131), 812);
  assertEquals(pidOf(LOCKS, 0x802, 131), 813);
  assertEquals(pidOf(LOCKS, 0x10010302, 133), 814);
  // In another PID namespace; no lock; nothing to read.
  assertEquals(pidOf(LOCKS, 0x801, 132), undefined);
  assertEquals(pidOf(LOCKS, 0x801, 999), undefined);
  assertEquals(pidOf("", 0x801, 131), undefined);
});

const CGROUPS: readonly [cgroup: string, unit: string | undefined][] = [
  ["0::/system.slice/k8contivnet.service\n", "k8contivnet.service"],
  [
    "12:cpu:/x.service\n1:name=systemd:/system.slice/k8contivnet.service\n0::/\n",
    "k8contivnet.service",
  ],
  ["0::/system.slice/system-k8contivnet.slice/k8contivnet@1.service\n", "k8contivnet@1.service"],
  ["0::/system.slice/ssh.service\n", undefined],
  ["0::/system.slice/not-k8contivnet.service\n", undefined],
  ["0::/user.slice/user-0.slice/session-3.scope\n", undefined],
  ["0::/system.slice/docker.service/abc\n", undefined],
  ["0::/\n", undefined],
  ["", undefined],
];

for (const [cgroup, unit] of CGROUPS) {
  Deno.test(`unitOf() of ${JSON.stringify(cgroup)} is ${unit}`, () =>
    assertEquals(unitOf(cgroup), unit));
}

Deno.test("the refusal of a lock names the unit that has it, and how to change its intent", () => {
  const message = (holder?: { pid: number; unit?: string }) =>
    lockedFault("/var/lib/k8contivnet/lock", "state folder /var/lib/k8contivnet", holder).message;
  assertEquals(
    message({ pid: 812, unit: "k8contivnet.service" }),
    "state folder /var/lib/k8contivnet is in use by another agent: the systemd unit k8contivnet.service runs here " +
      "(process 812); give it the intent with k8contivnet apply -f FILE, or stop it with systemctl stop k8contivnet.service",
  );
  assertEquals(
    message({ pid: 812 }),
    "state folder /var/lib/k8contivnet is in use by another agent: process 812 has locked /var/lib/k8contivnet/lock; " +
      "give it the intent with k8contivnet apply -f FILE, or stop it, or configure separate folders for this one",
  );
  assertEquals(
    message(),
    "state folder /var/lib/k8contivnet is in use by another agent: /var/lib/k8contivnet/lock is locked; " +
      "stop that agent, or configure separate folders for this one",
  );
});
