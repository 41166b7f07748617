// The house's own lint rules: which room of lib/ may import which, and what only some files may do.
// Rules apply to lib/ and main.ts; tests and .ci are free.

/** What a room may import besides itself and util; `packages` is exact where it is given. */
interface Room {
  readonly rooms: readonly string[];
  readonly packages?: readonly string[];
}

const DRIVER: Room = { rooms: [] };
const PURE_ROOMS: readonly string[] = ["cni", "intent", "ipam", "policy", "reach"];

const ROOMS: ReadonlyMap<string, Room> = new Map<string, Room>([
  ["faces", { rooms: ["agent", "cli", "cni", "intent"] }],
  ["cli", { rooms: ["agent", "intent", "policy", "store", "kube"] }],
  [
    "agent",
    {
      rooms: [
        "cni",
        "intent",
        "ipam",
        "policy",
        "reach",
        "store",
        "ovs",
        "net",
        "runtimes",
        "kube",
      ],
    },
  ],
  ["cni", { rooms: [], packages: [] }],
  ["intent", { rooms: ["ipam"], packages: ["zod"] }],
  ["ipam", { rooms: [], packages: [] }],
  ["policy", { rooms: ["ipam"], packages: [] }],
  ["reach", { rooms: ["ipam"], packages: [] }],
  ["store", DRIVER],
  ["ovs", DRIVER],
  ["net", DRIVER],
  ["runtimes", DRIVER],
  ["kube", DRIVER],
  ["util", { rooms: [], packages: [] }],
]);

/**
 * Rooms within a room, and what each imports from that room beside itself: other rooms in it, or single
 * files. Files of the room itself (a room without a name here) may import all of its rooms.
 */
const INNER_ROOMS: ReadonlyMap<string, readonly string[]> = new Map([
  ["agent/api", []],
  ["agent/store", ["agent/api", "agent/pods/endpoint_release.ts"]],
  ["agent/fabric", [
    ...["agent/api", "agent/store"],
    ...["agent/pods/local_tags.ts", "agent/pods/port_external_ids.ts"],
  ]],
  ["agent/reach", [
    ...["agent/api", "agent/store", "agent/fabric", "agent/pods/mtus.ts"],
    ...["agent/pods/local_tags.ts", "agent/pods/port_external_ids.ts"],
  ]],
  ["agent/policy", [
    ...["agent/api", "agent/store", "agent/fabric"],
    ...["agent/pods/local_tags.ts", "agent/pods/port_external_ids.ts"],
  ]],
  ["agent/pods", [
    ...["agent/api", "agent/store", "agent/fabric/fabric_sync.ts"],
    ...["agent/policy/policy_enforcer.ts", "agent/gc/grace_period.ts"],
    ...["agent/reach/attachment_reach.ts", "agent/reach/reach_sync.ts"],
  ]],
  ["agent/kube", ["agent/api", "agent/store", "agent/pods", "agent/policy"]],
  ["agent/cni", ["agent/api", "agent/store", "agent/pods"]],
  ["agent/gc", ["agent/api", "agent/store", "agent/pods"]],
  ["agent/reconcile", [
    ...["agent/api", "agent/store", "agent/fabric", "agent/pods", "agent/policy", "agent/gc"],
    "agent/reach/reach_sync.ts",
  ]],
  ["agent/bundle", ["agent/api", "agent/client.ts", "agent/doctor"]],
  ["agent/diagnose", [
    ...["agent/api", "agent/store", "agent/pods", "agent/policy", "agent/fabric", "agent/reach"],
  ]],
  ["agent/metrics", [
    ...["agent/api", "agent/meter.ts", "agent/store", "agent/pods/unmatched_pods.ts"],
    ...["agent/policy/policy_enforcer.ts", "agent/server/request_gate.ts"],
  ]],
  ["agent/doctor", [
    ...["agent/api", "agent/client.ts", "agent/store/store_cache.ts"],
    "agent/fabric/fabric_problems.ts",
  ]],
  ["agent/server", [
    ...["agent/api", "agent/store", "agent/fabric", "agent/pods", "agent/policy", "agent/kube"],
    ...["agent/cni", "agent/diagnose", "agent/gc", "agent/reconcile", "agent/reach"],
    "agent/meter.ts",
  ]],
  ["intent/choice", ["intent"]],
  ["intent/examples", []],
  ["intent/file", ["intent"]],
  ["intent/plan", ["intent", "intent/file"]],
  ["net/host", ["net"]],
  ["net/iproute", ["net"]],
  ["net/netlink", ["net"]],
  // From the bottom: sockets, protocols, commands, the bridge, and what is built on it.
  ["ovs/transport", []],
  ["ovs/openflow", ["ovs/switch.ts", "ovs/transport"]],
  ["ovs/ovsdb", ["ovs/switch.ts", "ovs/transport"]],
  ["ovs/tools", ["ovs/openflow", "ovs/ovsdb"]],
  ["ovs/bridge", ["ovs/switch.ts", "ovs/openflow", "ovs/ovsdb", "ovs/tools"]],
  ["ovs/policy_tables", ["ovs/switch.ts", "ovs/transport", "ovs/openflow", "ovs/tools"]],
  ["ovs/ports", [
    ...["ovs/switch.ts", "ovs/transport", "ovs/openflow", "ovs/ovsdb"],
    ...["ovs/tools", "ovs/bridge"],
  ]],
  ["ovs/uplink", [
    ...["ovs/switch.ts", "ovs/host_net.ts", "ovs/openflow", "ovs/tools", "ovs/bridge"],
    "ovs/ports/port_spec.ts",
  ]],
  ["ovs/tunnel", [
    ...["ovs/switch.ts", "ovs/host_net.ts", "ovs/openflow", "ovs/ovsdb", "ovs/tools"],
    ...["ovs/bridge", "ovs/uplink", "ovs/ports/port_spec.ts"],
  ]],
  ["ovs/reach", [
    ...["ovs/switch.ts", "ovs/host_net.ts", "ovs/openflow", "ovs/ovsdb", "ovs/tools", "ovs/bridge"],
    ...["ovs/ports/port_spec.ts", "ovs/tunnel/vtep_neighbours.ts", "ovs/uplink/trunk.ts"],
  ]],
  ["policy/flows", ["policy"]],
  ["runtimes/docker", ["runtimes"]],
  ["store/etcd", ["store"]],
  ["store/sqlite", ["store"]],
  ["util/async", ["util"]],
]);

/** Rooms that a package belongs to; a package that is not named here may be used by any driver. */
const OWNERS: ReadonlyMap<string, readonly string[]> = new Map([
  ["zod", ["intent"]],
  ["js-yaml", ["kube"]],
  ["yaml", ["cli"]],
  ["etcd3", ["store"]],
  ["@grpc/grpc-js", ["store"]],
  ["@std/cli", ["cli", "faces"]],
  ["@std/assert", []],
  ["fast-check", []],
]);

/** Rooms that may load a package of another room's with `import()`, for what is rarely asked for. */
const LAZY_USERS: ReadonlyMap<string, readonly string[]> = new Map([["js-yaml", ["cli"]]]);

// What a pod's setup waits for: at run time it loads these, cni and util, no package, no node: module.
const THIN = /^lib\/(agent\/(client|api\/\w+)|faces\/(?!netplugin|netdcli)\w+)\.ts$/;
const THIN_MAY_IMPORT = /^lib\/(agent\/(client\.ts|api\/)|cni\/|util\/)/;
const FACES_OF_THE_ORIGINAL = /^lib\/faces\/(netplugin|netdcli)/;

const PRINTERS = /^lib\/(cli\/output\.ts|util\/log\.ts|faces\/)/;
const COMMANDERS = /^lib\/(util\/run\.ts|(ovs|net|runtimes)\/)/;

/** Returns `filename`'s path inside the house; undefined for what has no rules. */
function placeOf(filename: string): string | undefined {
  const house = new URL("..", import.meta.url).pathname;
  const path = filename.startsWith("file:") ? new URL(filename).pathname : filename;
  const place = path.startsWith(house) ? path.slice(house.length) : path;
  return place === "main.ts" || place.startsWith("lib/") ? place : undefined;
}

function roomOf(place: string): string {
  return place.startsWith("lib/") ? place.split("/")[1] ?? "" : place;
}

/** Returns the folder of `place` below lib/: `ovs/ports`, or `ovs` for a file of the room itself. */
function innerRoomOf(place: string): string {
  return place.split("/").slice(1, -1).join("/");
}

/** What one import asks for: `lazy` is `import()`, `typeOnly` leaves nothing at run time. */
interface Import {
  readonly source: string;
  readonly lazy: boolean;
  readonly typeOnly: boolean;
}

/** Returns why `place` may not have what `asked` asks for; undefined when it may. */
function refusal(place: string, asked: Import): string | undefined {
  if (!/^(\.{0,2}\/|file:)/.test(asked.source)) return packageRefusal(place, asked);
  const target = new URL(asked.source, `file:///${place}`).pathname.slice(1);
  if (target === "deno.json") return undefined; // the version
  const no = `${place} may not import ${target}`;
  if (place === "main.ts") return mainMayImport(target, asked) ? undefined : no;
  const room = ROOMS.get(roomOf(place));
  if (!room) return `${place} is in no room of the table`;
  if (!target.startsWith("lib/")) return no;
  const other = roomOf(target);
  const allowed = other === roomOf(place)
    ? innerMayImport(place, target)
    : other === "util" || room.rooms.includes(other);
  return allowed && thinMayImport(place, target, asked) ? undefined : no;
}

/** Reports whether `place` may import `target` of the same room. */
function innerMayImport(place: string, target: string): boolean {
  const inner = innerRoomOf(place);
  if (inner === roomOf(place) || inner === innerRoomOf(target)) return true;
  const allowed = INNER_ROOMS.get(inner) ?? [];
  return allowed.some((each) => each === innerRoomOf(target) || `lib/${each}` === target);
}

function mainMayImport(target: string, { lazy }: Import): boolean {
  return /^lib\/util\//.test(target) || (lazy && /^lib\/(faces|cli)\//.test(target));
}

function thinMayImport(place: string, target: string, { typeOnly }: Import): boolean {
  if (!THIN.test(place) || THIN_MAY_IMPORT.test(target)) return true;
  if (place.startsWith("lib/agent/")) return typeOnly;
  return target.startsWith("lib/faces/") && !FACES_OF_THE_ORIGINAL.test(target);
}

function packageRefusal(place: string, { source, lazy }: Import): string | undefined {
  if (source.startsWith("https:") || source.startsWith("http:")) return `${source} has no version`;
  const no = `${place} may not import ${source}`;
  if (THIN.test(place) || place === "main.ts") return no;
  const name = packageName(source);
  const packages = ROOMS.get(roomOf(place))?.packages;
  if (packages && !packages.includes(name)) return no;
  if (lazy && LAZY_USERS.get(name)?.includes(roomOf(place))) return undefined;
  const owners = OWNERS.get(name);
  return owners && !owners.includes(roomOf(place)) ? no : undefined;
}

/** `npm:@a/b@1.2/c` and `@a/b/c` are `@a/b`; `node:fs` stays. */
function packageName(source: string): string {
  if (source.startsWith("node:")) return source;
  const bare = source.replace(/^(npm|jsr):\/?/, "");
  return /^(@[^/]+\/)?[^/@]+/.exec(bare)?.[0] ?? bare;
}

type Context = Deno.lint.RuleContext;
type Node = Deno.lint.Node;

const direction: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    if (place === undefined) return {};
    const check = (node: Node, source: string, lazy = false, typeOnly = false) => {
      const message = refusal(place, { source, lazy, typeOnly });
      if (message) context.report({ node, message, hint: "see the table in .ci/lint_rooms.ts" });
    };
    return {
      ImportDeclaration: (node) =>
        check(node, node.source.value, false, node.importKind === "type" || allTypes(node)),
      ExportAllDeclaration: (node) => check(node, node.source.value),
      ExportNamedDeclaration: (node) => {
        if (node.source) check(node, node.source.value);
      },
      TSImportType: (node) => {
        const source = /import\(\s*["']([^"']+)/.exec(context.sourceCode.getText(node))?.[1];
        if (source !== undefined) check(node, source, false, true);
      },
      ImportExpression: (node) => {
        const { source } = node;
        if (source.type === "Literal" && typeof source.value === "string") {
          return check(node, source.value, true);
        }
        context.report({ node, message: "import() of a computed name cannot be checked" });
      },
    };
  },
};

function allTypes({ specifiers }: Deno.lint.ImportDeclaration): boolean {
  return specifiers.length > 0 &&
    specifiers.every((each) => each.type === "ImportSpecifier" && each.importKind === "type");
}

/** Returns `Deno.exit` for `Deno.exit`, `Deno["exit"]` and `globalThis.Deno.exit`. */
function pathOf(node: Node): string | undefined {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression") return undefined;
  const { object, property, computed } = node;
  const of = pathOf(object);
  const name = property.type === "Identifier" && !computed
    ? property.name
    : property.type === "Literal"
    ? String(property.value)
    : "*";
  if (of === undefined) return undefined;
  return of === "globalThis" ? name : `${of}.${name}`;
}

/** Calls `use` for each `A.b` in the file, also for `const { b } = A`. */
function onUse(use: (path: string, node: Node) => void): Deno.lint.LintVisitor {
  return {
    MemberExpression: (node) => {
      const path = pathOf(node);
      if (path !== undefined) use(path, node);
    },
    VariableDeclarator: ({ id, init }) => {
      if (id.type !== "ObjectPattern" || !init) return;
      const of = pathOf(init);
      if (of === undefined) return;
      for (const property of id.properties) {
        if (property.type !== "Property" || property.key.type !== "Identifier") continue;
        use(of === "globalThis" ? property.key.name : `${of}.${property.key.name}`, property);
      }
    },
  };
}

/** Makes a rule that refuses `what` to all places but those that `mayUse` names. */
function onlyIn(
  what: RegExp,
  mayUse: (place: string) => boolean,
  message: (path: string) => string,
): Deno.lint.Rule {
  return {
    create(context) {
      const place = placeOf(context.filename);
      if (place === undefined || mayUse(place)) return {};
      return onUse((path, node) => {
        if (what.test(path)) context.report({ node, message: message(path) });
      });
    },
  };
}

const IMPURE = new RegExp(
  "^(Deno\\.[^.]+$|process\\.|Date\\.now$|Math\\.random$|performance\\.|Temporal\\.Now|" +
    "crypto\\.(randomUUID|getRandomValues)$)",
);
const IMPURE_CALLS = /^(Date|fetch|setTimeout|setInterval|queueMicrotask)$/;

const purity: Deno.lint.Rule = {
  create(context) {
    const place = placeOf(context.filename);
    if (place === undefined || !PURE_ROOMS.includes(roomOf(place))) return {};
    const refuse = (name: string, node: Node) => reportImpure(context, roomOf(place), name, node);
    return {
      ...onUse((path, node) => {
        if (IMPURE.test(path)) refuse(path, node);
      }),
      NewExpression: (node) => {
        const isNow = pathOf(node.callee) === "Date" && node.arguments.length === 0;
        if (isNow) refuse("new Date()", node);
      },
      CallExpression: (node) => {
        const name = pathOf(node.callee);
        if (name !== undefined && IMPURE_CALLS.test(name)) refuse(`${name}()`, node);
      },
    };
  },
};

function reportImpure(context: Context, room: string, name: string, node: Node): void {
  context.report({
    node,
    message: `${name} in ${room}, a pure room`,
    hint: "pass the clock, the number or the text in as an argument",
  });
}

// Seen with Deno 2.9.6: without -A, which the packed file never gets, every Deno.* call on a path
// below these is refused ("Requires all access"), whatever --allow-read says.
const CLOSED = /^\/(proc|sys)(\/|$)/;

const closed: Deno.lint.Rule = {
  create(context) {
    if (placeOf(context.filename) === undefined) return {};
    const textByName = new Map<string, string>();
    return {
      VariableDeclarator: ({ id, init }) => {
        const text = init ? textStart(init) : undefined;
        if (id.type === "Identifier" && text !== undefined) textByName.set(id.name, text);
      },
      CallExpression: (node) => {
        const [first] = node.arguments;
        if (!first || !pathOf(node.callee)?.startsWith("Deno.")) return;
        const path = first.type === "Identifier" ? textByName.get(first.name) : textStart(first);
        if (path === undefined || !CLOSED.test(path)) return;
        context.report({
          node,
          message: `the packed file may not open ${path}: Deno keeps /proc and /sys for -A`,
          hint: "ask a command that is allowed (ip, nsenter), or open it by libc in net",
        });
      },
    };
  },
};

/** Returns the text that `node` starts with, where it is a string or a template. */
function textStart(node: Node): string | undefined {
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  return node.type === "TemplateLiteral" ? node.quasis[0]?.cooked : undefined;
}

const plugin: Deno.lint.Plugin = {
  name: "rooms",
  rules: {
    direction,
    purity,
    closed,
    exit: onlyIn(
      /^(Deno|process)\.(exit|abort)$/,
      (place) => place === "main.ts",
      (path) => `${path} outside main.ts: throw a Fault, or return the code`,
    ),
    command: onlyIn(
      /^Deno\.(Command|run)$/,
      (place) => COMMANDERS.test(place),
      (path) => `${path} outside util/run.ts and the drivers ovs, net, runtimes: use run()`,
    ),
    print: onlyIn(
      /^(console\.|Deno\.(stdout|stderr)$)/,
      (place) => PRINTERS.test(place),
      (path) => `${path} outside cli/output.ts, util/log.ts and faces`,
    ),
  },
};
export default plugin;
