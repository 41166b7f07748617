// Services of a cluster as data, and two ways to have them on hosts: the rules that kube-proxy's iptables mode
// writes, in short; and a real kube-proxy beside a real API server (kube_services.ts).

import type { ClusterHost } from "../cluster/host.ts";
import { run } from "../run.ts";

/** One port of one service. */
export interface LabService {
  /** A DNS label, unique among services. */
  readonly name: string;
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Where its one backend listens. */
  readonly backend: { readonly ip: string; readonly port: number; readonly host: string };
  /** Port of every host. */
  readonly nodePort?: number;
  /** Its node port keeps the client's address, and only works on the backend's host. @default false */
  readonly isLocal?: boolean;
}

/** Where services have their addresses. */
export const SERVICE_CIDR = "10.96.0.0/16";

const MASQUERADE = "0x4000/0x4000";

/** Writes the rules of all services on a host. */
export async function writeServiceRules(
  host: ClusterHost,
  services: readonly LabService[],
): Promise<void> {
  const lines = [
    "*nat",
    ":LAB-SERVICES -",
    ...services.map((service) => `:${chainOf(service)} -`),
    "-A PREROUTING -j LAB-SERVICES",
    "-A OUTPUT -j LAB-SERVICES",
    `-A POSTROUTING -m mark --mark ${MASQUERADE} -j MASQUERADE --random-fully`,
    ...services.flatMap((service) => rulesOf(host, service)),
    "COMMIT",
  ];
  const words = ["netns", "exec", host.netns, "iptables-nft-restore", "--noflush"];
  await run("ip", words, { stdin: `${lines.join("\n")}\n` });
}

function chainOf({ name, protocol, port }: LabService): string {
  return `${name}-${protocol}-${port}`;
}

function rulesOf(host: ClusterHost, service: LabService): string[] {
  const { address, protocol, port, backend, nodePort, isLocal = false } = service;
  const chain = chainOf(service);
  const mark = `-j MARK --set-xmark ${MASQUERADE}`;
  const onNode = `-A LAB-SERVICES -p ${protocol} --dport ${nodePort} -m addrtype --dst-type LOCAL`;
  return [
    `-A LAB-SERVICES -d ${address} -p ${protocol} --dport ${port} -j ${chain}`,
    ...nodePort === undefined || isLocal && backend.host !== host.label
      ? []
      : [...isLocal ? [] : [`${onNode} ${mark}`], `${onNode} -j ${chain}`],
    // What a backend asks of itself.
    `-A ${chain} -s ${backend.ip} ${mark}`,
    `-A ${chain} -p ${protocol} -j DNAT --to-destination ${backend.ip}:${backend.port}`,
  ];
}
