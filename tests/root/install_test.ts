// What install.sh leaves on a host, file by file.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { KEEP_ASIDE } from "../lab/aside.ts";
import { run } from "../lab/run.ts";
import { DIST, type Ended, start, tempDir, writeVariant } from "../lab/one_file.ts";
import { waitFor } from "../lab/wait.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;
const EXEC = "usr/libexec/kubernetes/kubelet-plugins/net/exec";
const FILE = `${EXEC}/k8contivnet/k8contivnet`;
const UNIT = "etc/systemd/system/k8contivnet.service";
const SETTINGS = "etc/k8contivnet/agent.json";
const TEXTS = [
  "usr/share/bash-completion/completions/k8contivnet",
  "usr/share/fish/vendor_completions.d/k8contivnet.fish",
  "usr/share/man/man8/k8contivnet.8",
  "usr/share/zsh/vendor-completions/_k8contivnet",
];
/** The folders of a path, the topmost first. */
function foldersOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, n) => parts.slice(0, n + 1).join("/"));
}

function installSh(...words: string[]): Promise<Ended> {
  return installFrom(HOUSE, ...words);
}

function installFrom(tree: string, ...words: string[]): Promise<Ended> {
  return start([`${tree}install.sh`, ...words], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: Deno.env.get("HOME") ?? "/root" },
  });
}

/** Makes the root of a host: systemd, and the plugin of another program. */
async function makeHostRoot(root: string): Promise<void> {
  for (const folder of ["usr/local/bin", "usr/lib/systemd", "etc/systemd/system"]) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
  await Deno.mkdir(`${root}/${EXEC}/other~plugin`, { recursive: true });
  await Deno.writeTextFile(`${root}/${EXEC}/other~plugin/plugin`, "");
  await Deno.writeTextFile(`${root}/usr/lib/systemd/systemd`, "", { mode: 0o755 });
}

/** Returns each file below `root` with kind, mode, what it links to, and its inode and time. */
async function snapshot(root: string, identity = false): Promise<string[]> {
  const format = identity ? "%y %m %P %l %i %T@\n" : "%y %m %P %l\n";
  const text = await run("find", [root, "-mindepth", "1", "-printf", format]);
  return text.split("\n").map((line) => line.trim()).sort();
}

function added(before: readonly string[], after: readonly string[]): string[] {
  assertEquals(before.filter((line) => !after.includes(line)), [], "nothing was taken away");
  return after.filter((line) => !before.includes(line));
}

Deno.test("install puts file, links, unit, settings, completions and man page in their places, and nothing else", async () => {
  await using dir = await tempDir();
  await makeHostRoot(`${dir}`);
  const before = await snapshot(`${dir}`);
  const { code, err } = await installSh("install", "--root", `${dir}`);
  assertEquals({ code, err }, { code: 0, err: "" });
  const folders = new Set(TEXTS.flatMap(foldersOf).filter((one) => one !== "usr"));
  const expected = [
    `d 755 etc/k8contivnet`,
    `d 755 ${EXEC}/k8contivnet`,
    ...[...folders].map((one) => `d 755 ${one}`),
    ...[SETTINGS, UNIT, ...TEXTS].map((one) => `f 644 ${one}`),
    `f 755 ${FILE}`,
    ...["k8contivnet", "kubectl-contiv", "netdcli", "netplugin"].map((name) =>
      `l 777 usr/local/bin/${name} /${FILE}`
    ),
  ];
  assertEquals(added(before, await snapshot(`${dir}`)), expected.sort());
  await run("cmp", [DIST, `${dir}/${FILE}`]);
});

Deno.test("a file whose launcher is a script, as 0.2.0 and earlier had it, is replaced", async () => {
  await using dir = await tempDir();
  await makeHostRoot(`${dir}`);
  assertEquals((await installSh("install", "--root", `${dir}`)).err, "");
  const older = "#!/bin/sh\n# k8contivnet 0.1.0, one file: this launcher and, compressed, Deno\n";
  await Deno.writeTextFile(`${dir}/${FILE}`, older);
  for (const _ of ["first", "again"]) {
    assertEquals((await installSh("install", "--root", `${dir}`)).err, "");
    await run("cmp", [DIST, `${dir}/${FILE}`]);
  }
  assertEquals((await installSh("install", "--uninstall", "--root", `${dir}`)).err, "");
});

Deno.test("install --uninstall leaves the host as it was before", async () => {
  await using dir = await tempDir();
  await makeHostRoot(`${dir}`);
  const before = await snapshot(`${dir}`);
  await installSh("install", "--root", `${dir}`);
  assert(added(before, await snapshot(`${dir}`)).length > 9);
  const { code, err } = await installSh("install", "--uninstall", "--root", `${dir}`);
  assertEquals({ code, err }, { code: 0, err: "" });
  assertEquals(await snapshot(`${dir}`), before);
  const { code: again } = await installSh("install", "--uninstall", "--root", `${dir}`);
  assertEquals(again, 0, "uninstalling twice is fine");
});

/** Makes the root of a host with the folders of CNI. */
async function makeCniRoot(root: string): Promise<void> {
  await makeHostRoot(root);
  for (const folder of ["etc/cni/net.d", "opt/cni/bin"]) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
}

const CNI_CONFIG = "etc/cni/net.d/10-k8contivnet.conflist";

Deno.test("install --cni adds link and configuration, twice alike, and --uninstall removes them", async () => {
  await using dir = await tempDir();
  await makeCniRoot(`${dir}`);
  const before = await snapshot(`${dir}`);
  for (const _ of ["first", "again"]) {
    assertEquals((await installSh("install", "--cni", "--root", `${dir}`)).err, "");
    const cni = added(before, await snapshot(`${dir}`)).filter((line) => line.includes("cni"));
    assertEquals(cni, [`f 644 ${CNI_CONFIG}`, `l 777 opt/cni/bin/k8contivnet /${FILE}`]);
  }
  const { cniVersion, cniVersions, plugins } = JSON.parse(
    await Deno.readTextFile(`${dir}/${CNI_CONFIG}`),
  );
  assertEquals([cniVersion, ...cniVersions], ["1.0.0", "0.4.0", "1.0.0", "1.1.0"]);
  assertEquals(plugins.length, 1);
  const { code, err } = await installSh("install", "--uninstall", "--root", `${dir}`);
  assertEquals({ code, err }, { code: 0, err: "" });
  assertEquals(await snapshot(`${dir}`), before);
});

Deno.test("install --cni replaces older configurations of ours, keeps a changed one, and names another plugin's", async () => {
  await using dir = await tempDir();
  await makeCniRoot(`${dir}`);
  const folder = `${dir}/etc/cni/net.d`;
  const old = `{"cniVersion":"1.0.0","name":"k8contivnet","plugins":[{ "type": "k8contivnet" }]}`;
  const others = `{"cniVersion":"1.0.0","name":"x","plugins":[{"type": "bridge"}]}`;
  for (const name of ["10-k8contivnet.conflist", "05-k8contivnet.conf"]) {
    await Deno.writeTextFile(`${folder}/${name}`, old);
  }
  for (const name of ["00-other.conflist", "99-other.conflist", "00-notes.txt"]) {
    await Deno.writeTextFile(`${folder}/${name}`, others);
  }
  const { code, err } = await installSh("install", "--cni", "--root", `${dir}`);
  assertEquals(code, 0, err);
  assertMatch(err, /^install\.sh: note: \S+\/00-other\.conflist sorts before [^\n]+\n$/);
  const names = async () => (await Array.fromAsync(Deno.readDir(folder), (one) => one.name)).sort();
  assertEquals(await names(), [
    ...["00-notes.txt", "00-other.conflist", "10-k8contivnet.conflist", "99-other.conflist"],
  ]);
  const written = await Deno.readTextFile(`${dir}/${CNI_CONFIG}`);
  const changed = written.replace(`"type": "k8contivnet"`, `"type": "k8contivnet", "network": "n"`);
  await Deno.writeTextFile(`${dir}/${CNI_CONFIG}`, changed);
  assertEquals((await installSh("install", "--cni", "--root", `${dir}`)).code, 0);
  assertEquals(await Deno.readTextFile(`${dir}/${CNI_CONFIG}`), changed);
});

Deno.test("install --cni without an agent installs no configuration and says why", async () => {
  // The host's own folders, empty and only for this command.
  const script = `${KEEP_ASIDE}
    for folder in /usr/libexec /usr/local/bin /etc/cni /opt /etc/systemd; do
      [ ! -d $folder ] || mount -t tmpfs tmpfs $folder
    done
    env K8CONTIVNET_SOCKET=/run/no-agent.sock "$1" install --cni || echo "code $?"
    ! find /etc/cni -type f | grep . && ls -A /opt/cni/bin`;
  const { out, err } = await start(
    ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", `${HOUSE}install.sh`],
    { env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: Deno.env.get("HOME") ?? "/root" } },
  );
  assertMatch(out, /\ncode 1\nk8contivnet\n$/);
  assertMatch(err, /^install\.sh: the CNI configuration is not installed[^\n]+; start the agent/m);
});

Deno.test("install without systemd brings no unit, and says how to start the agent", async () => {
  await using dir = await tempDir();
  const { out } = await installSh("install", "--root", `${dir}`);
  assertStringIncludes(out, `start the agent with "k8contivnet netplugin --config /${SETTINGS}"`);
  assertEquals((await snapshot(`${dir}`)).filter((line) => line.includes("systemd")), []);
});

const parts: readonly (readonly [string, readonly string[]])[] = [
  ["exec", []],
  ["cni", ["etc/cni/net.d/10-k8contivnet.conflist", "opt/cni/bin/k8contivnet"]],
  ["agent", [SETTINGS, UNIT, ...TEXTS]],
];

for (const [part, paths] of parts) {
  Deno.test(`install --only ${part} brings file, links and ${paths.length} more`, async () => {
    await using dir = await tempDir();
    await makeCniRoot(`${dir}`);
    const before = await snapshot(`${dir}`);
    const { code, err } = await installSh("install", `--only=${part}`, "--root", `${dir}`);
    assertEquals({ code, err }, { code: 0, err: "" });
    const files = added(before, await snapshot(`${dir}`)).filter((line) => !line.startsWith("d"));
    const links = ["k8contivnet", "kubectl-contiv", "netdcli", "netplugin"];
    const expected = [FILE, ...links.map((name) => `usr/local/bin/${name}`), ...paths];
    assertEquals(files.map((line) => line.split(" ")[2]).sort(), expected.sort());
    await installSh("install", "--uninstall", "--root", `${dir}`);
    assertEquals(await snapshot(`${dir}`), before);
  });
}

Deno.test("settings: --etcd and --intent are written, changed, and kept once somebody has changed them", async () => {
  await using dir = await tempDir();
  await using files = await tempDir();
  await makeHostRoot(`${dir}`);
  const before = await snapshot(`${dir}`);
  const intent = `{"Tenants": []}`;
  await Deno.writeTextFile(`${files}/my intent.json`, intent);
  const settings = async () => JSON.parse(await Deno.readTextFile(`${dir}/${SETTINGS}`));
  const install = (...words: string[]) => installSh("install", ...words, "--root", `${dir}`);
  const etcd = "etcd://10.0.0.5:2379,10.0.0.6:2379/prod";
  assertEquals((await install("--etcd", etcd)).err, "");
  assertEquals(await settings(), { store: etcd });
  assertEquals((await install("--intent", `${files}/my intent.json`)).err, "");
  assertEquals(await settings(), { store: etcd, intent: "/etc/k8contivnet/intent.json" });
  assertEquals(await Deno.readTextFile(`${dir}/etc/k8contivnet/intent.json`), intent);
  assertEquals((await install()).err, "");
  assertEquals((await settings()).store, etcd);
  await Deno.writeTextFile(`${dir}/${SETTINGS}`, `{"store": "${etcd}", "docker": "none"}`);
  const { err } = await install("--etcd=etcds://other:2379");
  assertMatch(
    err,
    /has been changed and is kept; add this to it: +"store": "etcds:\/\/other:2379"/,
  );
  assertEquals(await settings(), { store: etcd, docker: "none" });
  await installSh("install", "--uninstall", "--root", `${dir}`);
  assertEquals(await settings(), { store: etcd, docker: "none" });
  await installSh("install", "--uninstall", "--purge", "--root", `${dir}`);
  assertEquals(await snapshot(`${dir}`), before);
});

const refusals: readonly (readonly [readonly string[], RegExp])[] = [
  [["--only", "cri"], /--only cri: it can be exec, cni or agent/],
  [["--etcd", "http://x"], /is not the URL of an etcd; it is etcd:\/\/HOST/],
  [["--etcd", `etcd://x","y":"z`], /is not the URL of an etcd/],
  [["--etcd"], /--etcd needs a URL/],
  [["--intent", "/nowhere.json"], /--intent \/nowhere\.json: file not found/],
  [["--intent", "/etc/passwd"], /ends with \.json, \.yaml or \.yml/],
  [["--intent", `${HOUSE}deno.json`], /is refused, and nothing is changed: /],
  [["--only", "cni", "--etcd", "etcd://x:2379"], /are the agent's settings/],
  [["--only", "exec", "--cni"], /--cni and --only exec exclude each other/],
  [["--purge"], /--purge goes with --uninstall/],
];

for (const [words, says] of refusals) {
  Deno.test(`install ${words.join(" ").replace(HOUSE, "")} is refused, and changes nothing`, async () => {
    await using dir = await tempDir();
    await makeHostRoot(`${dir}`);
    const before = await snapshot(`${dir}`, true);
    const { code, err } = await installSh("install", "--root", `${dir}`, ...words);
    assertEquals(code, 1);
    assertMatch(err, says);
    assertEquals(await snapshot(`${dir}`, true), before);
  });
}

Deno.test("upgrade replaces file and unit of 0.1.0, and adds settings; --dry-run changes nothing", async () => {
  await using dir = await tempDir();
  await makeHostRoot(`${dir}`);
  assertMatch((await installSh("upgrade", "--root", `${dir}`)).err, /k8contivnet is not installed/);
  await installSh("install", "--root", `${dir}`);
  const expected = await snapshot(`${dir}`);
  await Deno.remove(`${dir}/etc/k8contivnet`, { recursive: true });
  await writeVariant(`${dir}/${FILE}`, "exit 0");
  const unit = `# Made by k8contivnet's install.sh\n[Service]\nExecStart=/${FILE} netplugin\n`;
  await Deno.writeTextFile(`${dir}/${UNIT}`, unit);
  const before = await snapshot(`${dir}`, true);
  const { out } = await installSh("upgrade", "--dry-run", "--root", `${dir}`);
  assertMatch(out, /^(would [^\n]+\n){3}$/);
  assertEquals(await snapshot(`${dir}`, true), before);
  const { code, err } = await installSh("upgrade", "--root", `${dir}`);
  assertEquals({ code, err }, { code: 0, err: "" });
  assertEquals(await snapshot(`${dir}`), expected);
  await run("cmp", [DIST, `${dir}/${FILE}`]);
});

Deno.test("an upgrade without systemd names the old agent and the commands that replace it", async () => {
  await using dir = await tempDir();
  // Only what it says: an upgrade of this machine itself is for tests/install.
  const script = `source ${HOUSE}.ci/install_host.sh
    FILE=${dir}/agent SETTINGS=${dir}/agent.json ENVIRONMENT=${dir}/none
    for changed in yes ''; do say_upgraded; done`;
  const says = async (answer: string) => {
    await Deno.writeTextFile(`${dir}/agent`, `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
    const { code, out, err } = await start(["bash", "-c", script], {
      env: { PATH: "/usr/bin:/bin" },
    });
    assertEquals({ code, err }, { code: 0, err: "" });
    return out.trimEnd().split("\n");
  };
  await Deno.writeTextFile(`${dir}/agent.json`, '{"socket": "/run/other.sock"}');
  const nothing = "nothing to upgrade: this file and unit are the installed ones";
  const answerOf = (pid: number) =>
    `[ "$K8CONTIVNET_SOCKET $*" = "/run/other.sock status -o json" ] || exit 5\n` +
    `echo '{'; echo '  "host": "pid",'; echo '  "pid": ${pid},'; echo '}'; exit 5`;
  const wayOf = (pid: number, words: string) => [
    `upgraded; the agent that runs, process ${pid}, is still the old one: end it and start it again, with ` +
    "the flags and variables that it has; pods stay connected:",
    `  kill ${pid}`,
    `  k8contivnet netplugin ${words}`,
    nothing,
  ];
  // No process can have this number.
  const none = 4_194_305;
  assertEquals(await says(answerOf(none)), wayOf(none, `--config ${dir}/agent.json`));
  const agent = new Deno.Command("sh", {
    args: [
      "-c",
      "read -r _",
      "deno",
      "netplugin",
      "--host-label",
      "host1",
      "--intent",
      "a b.json",
    ],
    stdin: "piped",
  }).spawn();
  try {
    const words = String.raw`--host-label host1 --intent a\ b.json`;
    assertEquals(await says(answerOf(agent.pid)), wayOf(agent.pid, words));
  } finally {
    agent.kill("SIGKILL");
    await agent.status;
  }
  assertEquals(await says("exit 5"), ["upgraded; the agent was not running", nothing]);
});

Deno.test("of two at work on one root, the later one is refused; what a killed one left is removed", async () => {
  await using dir = await tempDir();
  await installSh("install", "--root", `${dir}`);
  const before = await snapshot(`${dir}`);
  const plugins = `${dir}/usr/libexec/kubernetes/kubelet-plugins/net`;
  const words = [plugins, `${HOUSE}install.sh`, "install", "--root", `${dir}`];
  const { code, err } = await start(["flock", ...words], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
  assertEquals(code, 1);
  assertMatch(err, /another install\.sh is at work/);
  await Deno.mkdir(`${plugins}/.k8contivnet.abcdef`);
  await installSh("install", "--root", `${dir}`);
  assertEquals(await snapshot(`${dir}`), before);
});

Deno.test("install twice changes nothing the second time", async () => {
  await using dir = await tempDir();
  await makeHostRoot(`${dir}`);
  await installSh("install", "--root", `${dir}`);
  const before = await snapshot(`${dir}`, true);
  const { code } = await installSh("install", "--root", `${dir}`);
  assertEquals(code, 0);
  assertEquals(await snapshot(`${dir}`, true), before);
});

Deno.test("install --dry-run says what it would do and changes nothing", async () => {
  await using dir = await tempDir();
  await makeHostRoot(`${dir}`);
  const before = await snapshot(`${dir}`, true);
  const { code, out } = await installSh("install", "--dry-run", "--root", `${dir}`);
  assertEquals(code, 0);
  assertMatch(out, /^(would [^\n]+\n){11}$/);
  assertEquals(await snapshot(`${dir}`, true), before);
  await installSh("install", "--root", `${dir}`);
  const installed = await snapshot(`${dir}`, true);
  const undo = await installSh("install", "--dry-run", "--uninstall", "--root", `${dir}`);
  assertMatch(undo.out, /^(would remove [^\n]+\n){11}$/);
  assertEquals(await snapshot(`${dir}`, true), installed);
});

Deno.test("install replaces an older file while that runs", async () => {
  await using dir = await tempDir();
  await Deno.mkdir(`${dir}/${EXEC}/k8contivnet`, { recursive: true });
  await writeVariant(`${dir}/${FILE}`, "exec sleep 60");
  const env = { K8CONTIVNET_CACHE: `${dir}/cache` };
  const old = new Deno.Command(`${dir}/${FILE}`, { env }).spawn();
  try {
    await waitFor(
      "the older file to run",
      async () => (await Deno.readLink(`/proc/${old.pid}/exe`)).endsWith("/sleep"),
    );
    assertEquals((await installSh("install", "--root", `${dir}`)).code, 0);
    await run("cmp", [DIST, `${dir}/${FILE}`]);
    await run("kill", ["-0", `${old.pid}`]); // it still runs
    const folder = await snapshot(`${dir}/usr/libexec/kubernetes/kubelet-plugins/net`);
    assertEquals(folder.map((line) => line.split(" ")[2]), [
      "exec",
      "exec/k8contivnet",
      "exec/k8contivnet/k8contivnet",
    ]);
  } finally {
    old.kill("SIGKILL");
    await old.status;
  }
});

const obstacles: readonly (readonly [what: string, make: string, says: RegExp])[] = [
  ["the plugin's folder is a link", `mkdir x; ln -s x $EXEC/k8contivnet`, /is a symbolic link/],
  [
    "the plugin's folder has another file",
    `mkdir -p $EXEC/k8contivnet; touch $EXEC/k8contivnet/.other`,
    /\.other is in the plugin's folder but not installed by k8contivnet/,
  ],
  [
    "a stranger's file has its name",
    `mkdir -p $EXEC/k8contivnet; echo x >$EXEC/k8contivnet/k8contivnet`,
    /was not installed by k8contivnet; move it away/,
  ],
  [
    "a stranger's command has a link's name",
    `touch usr/local/bin/netplugin`,
    /was not installed by k8contivnet/,
  ],
  [
    "a stranger's link has a link's name",
    `ln -s /bin/true usr/local/bin/netdcli`,
    /netdcli was not installed by k8contivnet/,
  ],
  [
    "a stranger's unit has its name",
    `echo "[Unit]" >${UNIT}`,
    /service was not installed by k8contivnet/,
  ],
];

for (const [what, make, says] of obstacles) {
  Deno.test(`install refuses and changes nothing where ${what}`, async () => {
    await using dir = await tempDir();
    await makeHostRoot(`${dir}`);
    await run("sh", ["-ec", `cd "$1"; EXEC=${EXEC}; ${make}`, "sh", `${dir}`]);
    const before = await snapshot(`${dir}`, true);
    for (const more of [[], ["--uninstall"]]) {
      const { code, out, err } = await installSh("install", ...more, "--root", `${dir}`);
      assertEquals({ code, out }, { code: 1, out: "" });
      assertMatch(err, says);
      assertMatch(err, /^install\.sh: [^\n]+\n$/);
      assertEquals(await snapshot(`${dir}`, true), before);
    }
  });
}

Deno.test("install.sh -h shows examples, and a wrong argument is reported", async () => {
  const help = await installSh("-h");
  assertEquals(help.code, 0);
  assertStringIncludes(help.out, "examples:");
  assertEquals((await installSh("install", "-h")).out, help.out);
  assertEquals((await installSh()).code, 2);
  assertEquals((await installSh("tset")).code, 2);
  assertMatch((await installSh("install", "--rot", "x")).err, /unknown argument "--rot"/);
  assertMatch((await installSh("install", "--root")).err, /--root needs a folder/);
});
