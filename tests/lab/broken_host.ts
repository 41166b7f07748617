// Ways to break a host of its own, for `doctor`: each returns what mends it.

import { assert } from "@std/assert";
import type { Broken } from "./doctor.ts";
import { openFiles } from "./files.ts";
import { freezeProcess } from "./freeze.ts";
import type { Host } from "./host.ts";
import { run } from "./run.ts";
import { waitFor } from "./wait.ts";

/** What an ip does that the kernel refuses macvlan to. */
const WITHOUT_MACVLAN = `#!/bin/sh
case " $* " in *" type macvlan "*) echo "RTNETLINK answers: Operation not supported" >&2; exit 2 ;; esac
PATH=\${PATH#*:} exec ip "$@"
`;

/** Runs the words in namespaces in which these commands have been done, and mounts end with them. */
function inNamespaces(flags: readonly string[], script: string): readonly string[] {
  return ["unshare", ...flags, "sh", "-ec", `${script}; exec "$@"`, "sh"];
}

const NOTHING = () => Promise.resolve();

function stopped(pid: number): Promise<() => Promise<void>> {
  freezeProcess(pid);
  return Promise.resolve(() => Promise.resolve(Deno.kill(pid, "SIGCONT")));
}

async function withMode(path: string, mode: number): Promise<() => Promise<void>> {
  const { mode: before } = await Deno.stat(path);
  await Deno.chmod(path, mode);
  return () => Deno.chmod(path, (before ?? 0o600) & 0o777);
}

async function ofNobody(path: string): Promise<() => Promise<void>> {
  await Deno.chown(path, 65_534, 65_534);
  return () => Deno.chown(path, 0, 0);
}

/** Connects once there is room in the queue of a server: ovs-vswitchd's holds ten. */
function connect(path: string): Promise<Deno.UnixConn> {
  return waitFor("a client's connection", async () => {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
    }
  });
}

/**
 * Lets a process have only a few more files open than it has. Idle clients of its `socket` are most of them, so that
 * one more or less of its own makes no difference.
 */
async function fewFiles(pid: number, socket: string): Promise<() => Promise<void>> {
  const clients: Deno.UnixConn[] = [];
  while (clients.length < 100) clients.push(await connect(socket));
  const used = (await openFiles(pid)).length;
  assert(used > clients.length, `${used} files: clients are not among them`);
  const words = ["--nofile", "--raw", "--noheadings", "--output=SOFT,HARD", "--pid", String(pid)];
  const [soft, hard] = (await run("prlimit", words)).split(/\s+/);
  await run("prlimit", [`--nofile=${used + 4}:${hard}`, "--pid", String(pid)]);
  return async () => {
    for (const client of clients) client.close();
    await run("prlimit", [`--nofile=${soft}:${hard}`, "--pid", String(pid)]);
  };
}

/** With a running agent. */
export const BROKEN_HOSTS: readonly Broken<Host>[] = [
  {
    what: "OVSDB's socket of another user",
    make: ({ ovs }) => ofNobody(ovs.dbSocket),
    finds: "failed ovsdb",
    says: /user 65534: somebody else may answer/,
  },
  {
    what: "OVSDB's socket open to all",
    make: ({ ovs }) => withMode(ovs.dbSocket, 0o777),
    finds: "failed ovsdb",
    says: /open to all users; chmod o-w/,
  },
  {
    what: "an old Open vSwitch",
    make: async ({ ovs }) => {
      const version = await ovs.vsctl("get", "Open_vSwitch", ".", "ovs_version");
      await ovs.vsctl("set", "Open_vSwitch", ".", "ovs_version=2.5.0");
      return () => ovs.vsctl("set", "Open_vSwitch", ".", `ovs_version=${version}`);
    },
    finds: "failed ovs-version",
    says: /2\.5\.0: it lacks .*; install 3\.1 or newer/,
  },
  {
    what: "an ovs-vswitchd that hangs",
    make: ({ ovs }) => stopped(ovs.vswitchdPid!),
    finds: "failed openflow",
    says: /does not answer .*; systemctl restart openvswitch-switch/,
  },
  {
    what: "an agent that hangs",
    make: ({ agent }) => stopped(agent.pid),
    finds: "failed agent",
    says: /did not answer/,
  },
  {
    what: "the agent's socket of another user",
    make: ({ agent }) => ofNobody(agent.socket),
    finds: "failed socket",
    says: /65534: somebody else answers pods' set-ups; end that process/,
  },
  {
    what: "the agent's socket open to all",
    make: ({ agent }) => withMode(agent.socket, 0o666),
    finds: "failed socket",
    says: /open to all users; chmod 0600/,
  },
  {
    what: "a state folder that others may change",
    make: ({ agent }) => withMode(agent.stateDir, 0o777),
    finds: "failed disk",
    says: /mode 777; chown root .* chmod 0700/,
  },
  {
    what: "an agent that may hardly open more files",
    make: ({ agent }) => fewFiles(agent.pid, agent.socket),
    finds: "failed open-files",
    says: /open files of the agent: \d+ of at most \d+; raise LimitNOFILE/,
  },
  {
    what: "an ovs-vswitchd that may hardly open more files",
    make: ({ ovs }) =>
      fewFiles(ovs.vswitchdPid!, `${ovs.rundir}/ovs-vswitchd.${ovs.vswitchdPid}.ctl`),
    finds: "failed open-files",
    says: /open files of ovs-vswitchd: .*LimitNOFILE of ovs-vswitchd/,
  },
  {
    what: "a nearly full table of connections",
    make: () =>
      Promise.resolve({
        inside: inNamespaces(
          ["--mount"],
          "mount -t tmpfs tmpfs /proc/sys/net; mkdir /proc/sys/net/netfilter; " +
            "echo 950 >/proc/sys/net/netfilter/nf_conntrack_count; " +
            "echo 1000 >/proc/sys/net/netfilter/nf_conntrack_max",
        ),
      }),
    finds: "warning conntrack",
    says: /950 of 1000; sysctl -w net.netfilter.nf_conntrack_max=2000/,
  },
  {
    what: "a kernel without macvlan, with warm ports",
    make: async ({ dir }) => {
      await Deno.mkdir(`${dir}/bin`, { recursive: true });
      await Deno.writeTextFile(`${dir}/bin/ip`, WITHOUT_MACVLAN, { mode: 0o755 });
      return { inside: ["env", `PATH=${dir}/bin:${Deno.env.get("PATH")}`] };
    },
    finds: "warning link-kinds",
    says: /no macvlan links.*; modprobe macvlan/,
  },
  {
    what: "an uplink that is down",
    make: async () => {
      await run("ip", ["link", "set", "up0", "down"]);
      return () => run("ip", ["link", "set", "up0", "up"]);
    },
    finds: "failed uplink",
    says: /up0 is down; ip link set up0 up/,
  },
  {
    what: "a bridge that an agent with another --bridge has left",
    make: async ({ ovs }) => {
      const owner = "external_ids:k8contivnet=host1";
      await ovs.vsctl("add-br", "oldBridge", "--", "set", "Bridge", "oldBridge", owner);
      return () => ovs.vsctl("del-br", "oldBridge");
    },
    finds: "warning left-bridge",
    says: /oldBridge .*; ovs-vsctl del-br oldBridge/,
  },
  {
    what: "a port whose link is gone",
    make: async ({ ovs }) => {
      await ovs.vsctl("--timeout=5", "--no-wait", "add-port", "contivBridge", "nowhere0");
      // Its error is there once ovs-vswitchd has done this, too.
      await ovs.vsctl("set", "Open_vSwitch", ".", "external_ids:lab-step=port");
      return () => ovs.vsctl("del-port", "nowhere0");
    },
    finds: "failed interfaces",
    says: /nowhere0 .*; .*ovs-vsctl del-port/,
  },
  {
    what: "an ovs-vswitchd that is dead",
    make: async ({ ovs }) => {
      await ovs.killVswitchd();
      return () => ovs.startVswitchd();
    },
    finds: "failed openflow",
    says: /does not answer .*; systemctl restart openvswitch-switch/,
  },
  {
    what: "an ovsdb-server that is dead",
    make: async ({ ovs }) => {
      await ovs.killOvsdb();
      return () => ovs.startOvsdb();
    },
    finds: "failed ovsdb",
    says: /;/,
  },
];

/** Changes the store's file while no agent runs. */
async function withStore(host: Host, ...statements: readonly string[]): Promise<void> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(`${host.agent.stateDir}/store.db`);
  for (const statement of statements) database.exec(statement);
  database.close();
}

/** Without an agent, in this order: the last ones are not mended. */
export const BROKEN_WITHOUT_AGENT: readonly Broken<Host>[] = [
  {
    what: "no agent",
    make: () => Promise.resolve(NOTHING),
    finds: "failed agent",
    says: /unreachable: nothing listens there; start "k8contivnet netplugin"/,
  },
  {
    what: "a host that does not route",
    make: async () => {
      await run("sysctl", ["-qw", "net/ipv4/ip_forward=0"]);
      return () => run("sysctl", ["-qw", "net/ipv4/ip_forward=1"]);
    },
    finds: "failed forwarding",
    says: /IP forwarding is off .*; sysctl -w net\/ipv4\/ip_forward=1/,
  },
  {
    what: "a full disk",
    make: async ({ agent }) => {
      const size = ["-o", "size=64k,mode=0700"];
      await run("mount", ["-t", "tmpfs", ...size, "tmpfs", agent.stateDir]);
      return () => run("umount", [agent.stateDir]);
    },
    finds: "failed disk",
    says: /disk is full: 0 MB .*; free space/,
  },
  {
    what: "a file in place of the agent's socket",
    make: async ({ agent: { socket } }) => {
      await Deno.remove(socket).catch(() => {});
      await Deno.writeTextFile(socket, "");
      return () => Deno.remove(socket);
    },
    finds: "failed socket",
    says: /not a socket; remove it/,
  },
  {
    what: "a bridge of somebody else",
    make: async ({ ovs }) => {
      const ids = ["Bridge", "contivBridge", "external_ids"];
      await ovs.vsctl("remove", ...ids, "k8contivnet");
      return () => ovs.vsctl("set", "Bridge", "contivBridge", "external_ids:k8contivnet=host1");
    },
    finds: "failed bridge",
    says: /belongs to somebody else; .*--bridge, .*del-br contivBridge/,
  },
  {
    what: "one address of two pods",
    make: async (host) => {
      const change = `json_set(value, '$.host', 'host9', '$.pod.name', 'twin')`;
      const more = `INSERT INTO documents (key, value, revision)
        SELECT replace(key, '/host1/', '/host9/'), ${change}, revision FROM documents
        WHERE key LIKE 'attachments/%'`;
      await withStore(host, more);
      return () => withStore(host, "DELETE FROM documents WHERE key LIKE '%/host9/%'");
    },
    finds: "failed addresses",
    says: /is used by default\/\w+ on host\d and default\/\w+ on host\d; delete one/,
  },
  {
    what: "records that contradict each other",
    make: async (host) => {
      await withStore(host, "DELETE FROM documents WHERE key LIKE '%claims/ip/%'");
      return NOTHING;
    },
    finds: "failed records",
    says: /contradict each other; see k8contivnet ipam check/,
  },
  {
    what: "a store that is damaged",
    make: async ({ agent: { stateDir } }) => {
      await Deno.writeTextFile(`${stateDir}/store.db`, "this is not a database".repeat(300));
      for (const more of ["-wal", "-shm"]) {
        await Deno.remove(`${stateDir}/store.db${more}`).catch(() => {});
      }
      return NOTHING;
    },
    finds: "failed store",
    says: /./,
  },
  {
    what: "no Open vSwitch",
    make: async ({ ovs }) => {
      await ovs.stop();
      await Deno.remove(ovs.dbSocket).catch(() => {});
      return NOTHING;
    },
    finds: "failed ovsdb",
    says: /no Open vSwitch: .*; install and start openvswitch-switch/,
  },
];
