// Who reaches what in a reach world, one row a check: each has a sentence, what is asked, and what is seen then.
// Wants name addresses of hosts, such as `NODE of host1`; `nothing` is no answer.

import { run } from "../run.ts";
import { OUTSIDE_ADDRESS, OUTSIDE_LINK } from "./outside.ts";
import type { ReachWorld } from "./reach_world.ts";

/** One row. */
export interface Check {
  readonly what: string;
  /** Returns what was seen. `isPatient`: an answer may take long. */
  readonly see: (world: ReachWorld, isPatient: boolean) => Promise<string>;
  readonly want: string;
}

const NOTHING = "nothing";
const PATIENT_MS = 3_000;
const SHORT_MS = 900;

/**
 * Asks `to`, an address or its name with port and protocol such as `10.96.0.20:80/tcp`, for its name. A datagram
 * may have a size.
 */
function ask(what: string, from: string, to: string, want: string, bytes?: number): Check {
  const [, who = "", port, protocol] = /^(.+):(\d+)\/(tcp|udp)$/.exec(to) ?? [];
  const see = async (world: ReachWorld, isPatient: boolean) => {
    const ip = /^[\d.]+$/.test(who) ? who : world.address(who);
    const limitMs = isPatient ? PATIENT_MS : SHORT_MS;
    const options = { limitMs, ...bytes === undefined ? {} : { bytes } };
    const answer = await world.talker(from)
      .asksWho(protocol === "udp" ? "udp" : "tcp", ip, Number(port), options);
    return answer === undefined ? NOTHING : world.named(answer);
  };
  return { what, see, want };
}

const OUT = `${OUTSIDE_ADDRESS}:8080`;
const BIG = 4_000;

const outside: readonly Check[] = [
  {
    what: "the first ping outside is answered",
    see: async (world) => await world.pod("a1").reaches(OUTSIDE_ADDRESS) ? "an answer" : NOTHING,
    want: "an answer",
  },
  ask("a pod, masqueraded", "a1", `${OUT}/tcp`, "outside saw host1"),
  ask("its twin of the other tenant, at the same time", "b1", `${OUT}/tcp`, "outside saw host1"),
  ask("a pod on the other host", "a3", `${OUT}/tcp`, "outside saw host2"),
  ask("its twin there", "b3", `${OUT}/tcp`, "outside saw host2"),
  ask("a datagram in fragments", "a1", `${OUT}/udp`, `outside saw host1 ${BIG}`, BIG),
  ask("the same from the twin, by its alias", "b1", `${OUT}/udp`, `outside saw host1 ${BIG}`, BIG),
  ask("without the word outside: not", "d1", `${OUT}/tcp`, NOTHING),
];

const hosts: readonly Check[] = [
  ask("a pod with the word host", "a1", "host1:6443/tcp", "host1 saw 10.1.1.1"),
  ask("without it: not", "d1", "host1:6443/tcp", NOTHING),
  ask("without it, by the host's address for pods: not", "d1", "NODE of host1:6443/tcp", NOTHING),
  ask(
    "an aliased pod to another host's address, where it would pass for its twin: not",
    ...["b1", "NODE of host2:6443/tcp", NOTHING] as const,
  ),
  ask(
    "a probe of the host, past the pod's policy",
    "host1",
    "10.1.1.2:8080/tcp",
    "a2 saw NODE of host1",
  ),
  ask("the host to a pod of another host", "host1", "10.1.1.3:8080/tcp", "a3 saw NODE of host1"),
  ask("the host to a pod by its alias", "host1", "alias of b1:8080/tcp", "b1 saw NODE of host1"),
];

const services: readonly Check[] = [
  ask("a backend on this host", "a1", "10.96.0.20:80/tcp", "a2 saw 10.1.1.1"),
  ask("a backend on the other host", "a1", "10.96.0.21:80/tcp", "a3 saw 10.1.1.1"),
  ask(
    "the same by the other tenant, which keeps to itself",
    "b1",
    "10.96.0.21:80/tcp",
    "b3 saw 10.1.1.1",
  ),
  ask("the other tenant on this host", "b1", "10.96.0.20:80/tcp", "b2 saw 10.1.1.1"),
  ask("UDP, a backend on the other host", "a1", "10.96.0.26:80/udp", "a3 saw 10.1.1.1 5"),
  ask("a pod to itself", "a1", "10.96.0.22:80/tcp", "a1 saw NAT of host1"),
  ask("an aliased pod to itself", "b1", "10.96.0.22:80/tcp", "b1 saw hairpin alias of b1"),
  ask("a backend in a routed network, on this host", "a1", "10.96.0.12:53/tcp", "d1 saw 10.1.1.1"),
  ask("the same over UDP", "a1", "10.96.0.10:53/udp", "d1 saw 10.1.1.1 5"),
  ask(
    "a backend in a routed network, on the other host",
    "a1",
    "10.96.0.11:53/tcp",
    "d2 saw 10.1.1.1",
  ),
  ask(
    "a backend in a network that is not routed",
    "b1",
    "10.96.0.12:53/tcp",
    "d1 saw NAT of host1",
  ),
  ask("the same on the other host", "b1", "10.96.0.11:53/tcp", "d2 saw NAT of host1"),
  ask("a server of this host", "a1", "10.96.0.3:443/tcp", "host1 saw 10.1.1.1"),
  ask("a server of the other host", "b1", "10.96.0.2:443/tcp", "host2 saw host1"),
  ask("the host to a backend here", "host1", "10.96.0.20:80/tcp", "a2 saw NODE of host1"),
  ask(
    "the host to a backend on the other host",
    "host1",
    "10.96.0.21:80/tcp",
    "a3 saw NODE of host1",
  ),
  {
    what: "a closed port of UDP is refused at once: the error passes both translations",
    see: (world) => refusal(world, "a1", "10.96.0.27", 9),
    want: "refused",
  },
];

const policy: readonly Check[] = [
  ask("another pod through the service: not", "a3", "10.96.0.20:80/tcp", NOTHING),
  ask("one of a routed network through the service: not", "d1", "10.96.0.20:80/tcp", NOTHING),
  ask("one of a routed network, directly: not", "d1", "10.1.1.2:8080/tcp", NOTHING),
  ask("the one that may, directly", "a1", "10.1.1.2:8080/tcp", "a2 saw 10.1.1.1"),
  ask("the one that may, in fragments", "a1", "10.1.1.2:8080/udp", `a2 saw 10.1.1.1 ${BIG}`, BIG),
  ask("the same through the service", "a1", "10.96.0.25:80/udp", `a2 saw 10.1.1.1 ${BIG}`, BIG),
  ask("another pod, in fragments: not", "a3", "10.1.1.2:8080/udp", NOTHING, BIG),
  ask(
    "a node port, masqueraded, which is not the host's own traffic: not",
    ...["outside", "host1:30083/tcp", NOTHING] as const,
  ),
];

const networks: readonly Check[] = [
  ask("a routed network, on this host", "a1", "10.9.9.1:8080/tcp", "d1 saw 10.1.1.1"),
  ask("a routed network, on the other host", "a1", "10.9.9.2:8080/tcp", "d2 saw 10.1.1.1"),
  ask("a network that is not routed: not", "b1", "10.9.9.1:8080/tcp", NOTHING),
  {
    what: "from outside by a route to the pods' subnet: not",
    see: async (world, isPatient) => {
      const host1 = world.address("host1");
      await run("ip", ["-n", world.outside.id, "route", "add", "10.1.1.0/24", "via", host1]);
      try {
        return await ask("", "outside", "10.1.1.1:8080/tcp", NOTHING).see(world, isPatient);
      } finally {
        await run("ip", ["-n", world.outside.id, "route", "del", "10.1.1.0/24"]);
      }
    },
    want: NOTHING,
  },
  ask("a node port, masqueraded", "outside", "host1:30080/tcp", "a1 saw NAT of host1"),
  ask(
    "a node port of a pod on the other host",
    "outside",
    "host1:30081/tcp",
    "a3 saw NAT of host1",
  ),
  ask(
    "a node port that keeps the client's address",
    "outside",
    "host1:30082/tcp",
    "a1 saw outside",
  ),
];

const errors: readonly Check[] = [
  {
    what: "the first hop of a traceroute is the host",
    see: (world) => hop(world, "a1"),
    want: "a1 saw NODE of host1",
  },
  {
    what: "the same for an aliased pod",
    see: (world) => hop(world, "b1"),
    want: "b1 saw NODE of host1",
  },
  {
    what: "a path of 1300 bytes is learnt, both ways",
    see: (world) => narrow(world, "a1"),
    want: "all bytes, and 1300 learnt",
  },
  {
    what: "the same for an aliased pod",
    see: (world) => narrow(world, "b1"),
    want: "all bytes, and 1300 learnt",
  },
];

/** All rows, by what they are about. */
export const CHECKS: Readonly<Record<string, readonly Check[]>> = {
  "outside": outside,
  "host": hosts,
  "services": services,
  "policies: of a2's ports a1 alone may ask 8080": policy,
  "networks and node ports": networks,
  "errors on the way": errors,
};

/** Reports whether a row wants no answer: that takes long to see, and may be asked beside others. */
export function isRefused({ want }: Check): boolean {
  return want === NOTHING;
}

/** Asks one row. Something that should be answered has more time; what differs is asked once more. */
export async function seenBy(world: ReachWorld, check: Check): Promise<string> {
  const { see, want } = check;
  const first = await see(world, !isRefused(check));
  return first === want ? first : await see(world, !isRefused(check));
}

/** Sends a datagram from a socket that is connected, so that the kernel reports an error that comes back. */
async function refusal(
  world: ReachWorld,
  from: string,
  ip: string,
  port: number,
): Promise<string> {
  const script = `exec 3<>/dev/udp/${ip}/${port}; echo x >&3; read -r -t 10 -u 3; echo y >&3`;
  const { text } = await world.pod(from).run("bash", "-c", script);
  return /refused/.test(text) ? "refused" : NOTHING;
}

async function hop(world: ReachWorld, from: string): Promise<string> {
  const { text } = await world.pod(from).run("ping", "-n", "-c1", "-W10", "-t1", OUTSIDE_ADDRESS);
  const by = /From ([\d.]+).*exceeded/.exec(text)?.[1];
  return by === undefined ? NOTHING : world.named(`${from} saw ${by}`);
}

/** Sends much through a way outside that carries 1300 bytes at most. */
async function narrow(world: ReachWorld, from: string): Promise<string> {
  const { netns } = world.hostOf(from);
  const way = [`${OUTSIDE_ADDRESS}/32`, "dev", OUTSIDE_LINK];
  await run("ip", ["-n", netns, "route", "add", ...way, "mtu", "1300"]);
  try {
    const options = { bytes: 200_000, limitMs: PATIENT_MS };
    const isAll = await world.talker(from).asks("tcp", OUTSIDE_ADDRESS, 8080, options);
    const { text } = await world.pod(from).run("ip", "route", "get", OUTSIDE_ADDRESS);
    const mtu = /mtu (\d+)/.exec(text)?.[1] ?? "nothing";
    return `${isAll ? "all bytes" : "not all bytes"}, and ${mtu} learnt`;
  } finally {
    await run("ip", ["-n", netns, "route", "del", ...way]);
  }
}
