// Ways to break the servers that a host asks, for `doctor`: etcd with TLS behind a proxy, and an API server.

import { type Broken } from "./doctor.ts";
import type { Etcd } from "./etcd.ts";
import { expireServer } from "./etcd_files.ts";
import { freezeProcess } from "./freeze.ts";
import type { Host } from "./host.ts";
import type { Kube } from "./kube.ts";
import type { Proxy } from "./proxy.ts";
import { waitFor } from "./wait.ts";

const ADDRESS = "127.0.0.1";

/** A host whose store is an etcd of one member, at 127.0.0.1 with TLS. */
export interface EtcdPlace extends Pick<Host, "agent"> {
  readonly etcd: Etcd;
  /** Between them. */
  readonly proxy: Proxy;
}

/** Replaces a server's certificate in `dir` by one that has expired; returns what puts it back. */
async function expired(dir: string): Promise<() => Promise<void>> {
  const paths = ["pem", "key"].map((end) => `${dir}/server.${end}`);
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(path)));
  await expireServer(dir, ADDRESS);
  return async () => {
    await Promise.all(paths.map((path, at) => Deno.writeTextFile(path, texts[at]!)));
  };
}

/** etcd's quota has to be some 20 MB. */
export const BROKEN_ETCDS: readonly Broken<EtcdPlace>[] = [
  {
    what: "an etcd that is slow",
    make: ({ proxy }) => {
      // TLS takes two answers: just above what is slow, and far from what is too late, also on a busy machine.
      proxy.delayMs = 260;
      return Promise.resolve(() => Promise.resolve(proxy.delayMs = 0));
    },
    finds: "warning store",
    says: /takes \d+ ms to answer; see its disk and the network/,
  },
  {
    what: "an etcd that hangs",
    make: ({ etcd }) => {
      etcd.freeze();
      return Promise.resolve(() => Promise.resolve(etcd.thaw()));
    },
    finds: "failed store",
    says: /etcd store cannot be used: no answer within 1500 ms: .*; check whether etcd is running/,
  },
  {
    what: "an etcd and an agent that both hang",
    make: ({ agent: { pid }, etcd }) => {
      freezeProcess(pid);
      etcd.freeze();
      return Promise.resolve(() => {
        etcd.thaw();
        return Promise.resolve(Deno.kill(pid, "SIGCONT"));
      });
    },
    finds: "failed store",
    says: /no answer within 1500 ms/,
  },
  {
    what: "an etcd that is dead",
    make: async ({ etcd }) => {
      await etcd.kill();
      return async () => {
        await etcd.start(0);
        await etcd.isHealthy();
      };
    },
    finds: "failed store",
    says: /;/,
  },
  {
    what: "an etcd whose certificate has expired",
    make: async ({ etcd }) => {
      const renew = await expired(etcd.dir);
      await etcd.kill();
      await etcd.start(0);
      return async () => {
        await renew();
        await etcd.restart();
      };
    },
    finds: "failed etcd-server-cert",
    says: /certificate of etcd at \S+ expired on \d{4}-\d\d-\d\d; renew it/,
  },
  {
    what: "an etcd without space",
    make: async ({ etcd }) => {
      const much = "x".repeat(1_000_000);
      const write = (at: number) => etcd.write(new Map([[`/fill/${at}`, much]]));
      let at = 0;
      await waitFor("the alarm", async () => await write(at++).then(() => false, () => true), {
        limitMs: 60_000,
        everyMs: 0,
      });
      return async () => {
        await etcd.ctl("del", "--prefix", "/fill/");
        await etcd.compact();
        await etcd.ctl("defrag");
        await etcd.ctl("alarm", "disarm");
      };
    },
    finds: "failed etcd-alarm",
    says: /no space left and refuses all writes .*; etcdctl compact and defrag/,
  },
];

/** A host whose agent knows a cluster. */
export interface KubePlace extends Pick<Host, "agent"> {
  readonly kube: Kube;
  /** Of the agent. */
  readonly kubeconfig: string;
}

export const BROKEN_API_SERVERS: readonly Broken<KubePlace>[] = [
  {
    what: "no rights in the API server",
    make: async ({ kube }) => {
      const path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
      const { metadata: _, ...binding } = await kube.ask("GET", `${path}/k8contivnet`);
      await kube.ask("DELETE", `${path}/k8contivnet`);
      return () => kube.ask("POST", path, { ...binding, metadata: { name: "k8contivnet" } });
    },
    finds: "failed api-rights",
    says: /does not permit us to .*list pods.*patch pods\/status; k8contivnet kube rbac \| kubectl/,
  },
  {
    what: "a kubeconfig that is missing",
    make: async ({ kubeconfig }) => {
      await Deno.rename(kubeconfig, `${kubeconfig}.away`);
      return () => Deno.rename(`${kubeconfig}.away`, kubeconfig);
    },
    finds: "failed api-server",
    says: /kubeconfig .* cannot be read.*; set --kubeconfig/,
  },
  {
    what: "a token that the API server does not know",
    make: async ({ kubeconfig }) => {
      const text = await Deno.readTextFile(kubeconfig);
      await Deno.writeTextFile(kubeconfig, text.replace(/token: ".*"/, 'token: "unknown"'));
      return () => Deno.writeTextFile(kubeconfig, text);
    },
    finds: "failed api-server",
    says: /rejects our credentials: 401 .*; renew the token/,
  },
  {
    what: "an API server that hangs",
    make: ({ kube }) => {
      kube.freeze();
      return Promise.resolve(() => Promise.resolve(kube.thaw()));
    },
    finds: "failed api-server",
    says: /did not respond within 1500 ms; \w+/,
  },
  {
    what: "an API server that is dead",
    make: async ({ kube }) => {
      await kube.kill();
      return () => Promise.resolve();
    },
    finds: "failed api-server",
    says: /unreachable: connection refused; check whether it is running/,
  },
  {
    what: "an API server whose certificate has expired",
    make: async ({ kube }) => {
      // Handshakes are all that is asked of it.
      await kube.kill();
      await expireServer(kube.dir, ADDRESS);
      const { serverCert, serverKey } = kube.files;
      const [cert, key] = await Promise.all(
        [serverCert, serverKey].map((path) => Deno.readTextFile(path)),
      );
      const port = Number(kube.endpoint.split(":")[1]);
      const listener = Deno.listenTls({ hostname: ADDRESS, port, cert: cert!, key: key! });
      const serving = serveHandshakes(listener);
      return async () => {
        listener.close();
        await serving;
      };
    },
    finds: "failed api-server-cert",
    says: /certificate of API server .* expired on .*; renew it/,
  },
];

async function serveHandshakes(listener: Deno.TlsListener): Promise<void> {
  const ended = async (connection: Deno.TlsConn) => {
    // The other side closes it, with or without a handshake.
    await connection.handshake().then(() => connection.read(new Uint8Array(1)), () => {});
    connection.close();
  };
  const all: Promise<void>[] = [];
  for await (const connection of listener) all.push(ended(connection).catch(() => {}));
  await Promise.all(all);
}
