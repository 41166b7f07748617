// The Debian package: what it has, and what its installation, upgrade, removal and purge leave, file by file.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { buildPackage } from "../lab/debian_package.ts";
import { DebianRoot } from "../lab/debian_root.ts";
import { run } from "../lab/run.ts";

const LIMIT = { limitMs: 120_000 };

const EXEC = "usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet";

const CNI_CONFIG = "/etc/cni/net.d/10-k8contivnet.conflist";

/** Files of the package by path: their kind, mode, and what links lead to. */
const FILES = [
  "-rw-r--r-- etc/k8contivnet/agent.json",
  "-rw-r--r-- lib/systemd/system/k8contivnet.service",
  "-rwxr-xr-x usr/bin/k8contivnet",
  "lrwxrwxrwx usr/bin/kubectl-contiv -> k8contivnet",
  "lrwxrwxrwx usr/bin/netdcli -> k8contivnet",
  "lrwxrwxrwx usr/bin/netplugin -> k8contivnet",
  "lrwxrwxrwx usr/lib/cni/k8contivnet -> ../../bin/k8contivnet",
  `lrwxrwxrwx ${EXEC}/k8contivnet -> ../../../../../../bin/k8contivnet`,
  "-rw-r--r-- usr/share/bash-completion/completions/k8contivnet",
  "-rw-r--r-- usr/share/doc/k8contivnet/README.Debian",
  "-rw-r--r-- usr/share/doc/k8contivnet/changelog.gz",
  "-rw-r--r-- usr/share/doc/k8contivnet/copyright",
  "-rw-r--r-- usr/share/doc/k8contivnet/examples/10-k8contivnet.conflist",
  "-rw-r--r-- usr/share/doc/k8contivnet/examples/intent.json",
  "-rw-r--r-- usr/share/fish/vendor_completions.d/k8contivnet.fish",
  "-rw-r--r-- usr/share/lintian/overrides/k8contivnet",
  "-rw-r--r-- usr/share/man/man8/k8contivnet.8.gz",
  "lrwxrwxrwx usr/share/man/man8/kubectl-contiv.8.gz -> k8contivnet.8.gz",
  "lrwxrwxrwx usr/share/man/man8/netdcli.8.gz -> k8contivnet.8.gz",
  "lrwxrwxrwx usr/share/man/man8/netplugin.8.gz -> k8contivnet.8.gz",
  "-rw-r--r-- usr/share/zsh/vendor-completions/_k8contivnet",
];

/** Returns the files of a package as lines of FILES; all of it belongs to root. */
async function filesOf(deb: string): Promise<string[]> {
  const lines = (await run("dpkg-deb", ["--contents", deb], LIMIT)).split("\n");
  assert(lines.every((line) => line === "" || / root\/root /.test(line)));
  return lines.flatMap((line) => {
    const [, mode, name] = /^(\S+) .* \.\/(.*)$/.exec(line) ?? [];
    return mode && name && !mode.startsWith("d") ? [`${mode} ${name}`] : [];
  });
}

/** Returns the paths of changes, without folders. */
function pathsOf(changes: readonly string[]): string[] {
  return changes.filter((line) => !line.startsWith("d ")).map((line) =>
    line.startsWith("- ") ? line : line.split(" ")[2] ?? ""
  ).sort();
}

Deno.test("the package: files, installation, upgrade, removal, purge", async (t) => {
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-deb-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const [old, deb] = [await buildPackage(dir, "0.0.9"), await buildPackage(dir, "0.9.0")];
  const root = stack.use(await DebianRoot.make(dir));
  const install = (path: string) =>
    root.sh(`dpkg --force-depends -i "$1" 2>&1`, path.replace(dir, "/tmp/packages"));
  const step = async (name: string, run: () => Promise<void>) => {
    if (!await t.step(name, run)) throw new Error(`"${name}" failed`);
  };
  const byPath = (a: string, b: string) => a.slice(11) < b.slice(11) ? -1 : 1;

  await step(
    "it has these files, says what it needs, and is the same when built again",
    async () => {
      assertEquals((await filesOf(deb)).sort(byPath), [...FILES].sort(byPath));
      const info = await run("dpkg-deb", ["--info", deb], LIMIT);
      assertMatch(info, /^ Version: 0\.9\.0$/m);
      assertMatch(info, /^ Maintainer: Ada <ada@debian\.org>$/m);
      assertMatch(info, /^ Depends: .*libc6 \(>= 2\.27\).*openvswitch-switch/m);
      await Deno.rename(deb, `${dir}/first.deb`);
      await Deno.remove(`${dir}/0.9.0`, { recursive: true });
      await run("cmp", [`${dir}/first.deb`, await buildPackage(dir, "0.9.0")], LIMIT);
    },
  );

  await step(
    "its installation brings these files, which work, and unpacks the program",
    async () => {
      await install(old);
      const paths = pathsOf(await root.changes());
      const cache = paths.filter((path) => path.startsWith("var/cache/k8contivnet/"));
      assert(cache.length > 1, "a pod's first call would unpack it");
      const expected = FILES.map((line) =>
        line.slice(11).replace(/ ->.*/, "").replace(/^lib\//, "usr/lib/")
      );
      assertEquals(paths.filter((path) => !cache.includes(path)), expected.sort());
      assertMatch(await root.sh("k8contivnet version"), /^k8contivnet /);
      assertMatch(await root.sh(`/${EXEC}/k8contivnet init && echo good`), /good/);
      const call = `CNI_COMMAND=VERSION /usr/lib/cni/k8contivnet`;
      assertMatch(await root.sh(call), /"supportedVersions"/);
      const { err } = await root.run(`cd "$1" && ./install.sh install`, "/tmp/packages/0.9.0");
      assertMatch(err, /installed as a Debian package/);
    },
  );

  await step("an upgrade keeps changed settings, and replaces the rest", async () => {
    await root.sh(
      `echo '{"docker": "none"}' >/etc/k8contivnet/agent.json; mkdir -p /var/lib/k8contivnet; touch /var/lib/k8contivnet/store.db`,
    );
    await install(deb);
    assertEquals(await root.sh("cat /etc/k8contivnet/agent.json"), `{"docker": "none"}`);
    await root.sh(
      `cmp /usr/bin/k8contivnet /tmp/packages/0.9.0/dist/k8contivnet; dpkg --verify k8contivnet | grep -v agent.json || :`,
    );
  });

  await step("its removal leaves a configuration that calls other plugins, too", async () => {
    await root.sh(
      `mkdir -p /etc/cni/net.d; echo '{"plugins": [{"type": "k8contivnet"}, {"type": "portmap"}]}' >${CNI_CONFIG}; dpkg -r k8contivnet; rm ${CNI_CONFIG}`,
    );
  });

  await step("after its removal install.sh installs, and a purge leaves that alone", async () => {
    const installed = await root.run(`cd "$1" && ./install.sh install`, "/tmp/packages/0.9.0");
    assertEquals([installed.code, installed.err], [0, ""]);
    await root.sh(
      `dpkg -P k8contivnet; ls /var/lib/k8contivnet/store.db; cd "$1" && ./install.sh uninstall`,
      "/tmp/packages/0.9.0",
    );
    await install(deb);
    await root.sh(`echo '{"docker": "none"}' >/etc/k8contivnet/agent.json`);
  });

  await step("its removal leaves settings and state", async () => {
    await root.sh(
      `cp /usr/share/doc/k8contivnet/examples/10-k8contivnet.conflist ${CNI_CONFIG}; dpkg -r k8contivnet; [ ! -e ${CNI_CONFIG} ]; rmdir -p --ignore-fail-on-non-empty /etc/cni/net.d`,
    );
    assertEquals(pathsOf(await root.changes()), [
      "etc/k8contivnet/agent.json",
      "var/lib/k8contivnet/store.db",
    ]);
  });

  await step("its purge leaves nothing", async () => {
    await root.sh("dpkg -P k8contivnet");
    assertEquals(await root.changes(), []);
  });
});
