import { assertEquals, assertStringIncludes } from "@std/assert";
import { etcdFault, outcomeUnknownFault } from "../../../../lib/store/etcd/etcd_faults.ts";
import { CODE, TransportError } from "../../../../lib/store/etcd/transport.ts";

// Messages as etcd 3.4, Deno 2.9.6 and grpc-js 1.14 report them.
const cases: readonly (readonly [message: string, says: string])[] = [
  ["invalid peer certificate: UnknownIssuer", "signed by an unknown authority; check --etcd-ca"],
  ['certificate not valid for name "x"', "its certificate is for another name"],
  ["invalid peer certificate: Expired", "its certificate has expired; renew it"],
  ["received fatal alert: CertificateRequired", "it rejects our certificate"],
  ["authentication failed, invalid user ID or password", "it rejects user and password"],
  ["etcdserver: user name is empty", "it requires a user and a password"],
  ["authentication is not enabled", "it has no authentication enabled; omit --etcd-user"],
  ["etcdserver: permission denied", "its user has no access to the store's keys"],
  ["etcdserver: mvcc: database space exceeded", "its database quota is exceeded"],
  ["connect ECONNREFUSED 127.0.0.1:2379", "connection refused"],
  ["getaddrinfo ENOTFOUND nowhere", "its name cannot be resolved"],
  ["etcdserver: request timed out", "the cluster has no majority"],
  ["tls handshake: received corrupt message", "it does not speak TLS; write etcd:// without TLS"],
  ["answered with invalid JSON", "the server there is not etcd"],
  ["connection reset by peer", "it closes the connection"],
  ["something\nnew", 'h1:2379 says "something new"; check etcd\'s log'],
];

for (const [message, says] of cases) {
  Deno.test(`etcdFault() of ${JSON.stringify(message)}: ${says}`, () => {
    const fault = etcdFault(
      { endpoint: "h1:2379" },
      new TransportError(CODE.unavailable, message),
      5_000,
    );
    assertEquals(fault.code, "unavailable");
    assertStringIncludes(fault.message, "etcd store cannot be used: h1:2379");
    assertStringIncludes(fault.message, says);
  });
}

Deno.test("etcdFault() names the proxy, and blames etcd only for what etcd has said", () => {
  const member = { endpoint: "h1:2379", transport: { proxy: "http://p:3128" } };
  const faultOf = (message: string) =>
    etcdFault(member, new TransportError(CODE.unavailable, message), 5_000).message;
  assertEquals(
    faultOf("tcp connect error: Connection refused"),
    "etcd store cannot be used: h1:2379 by proxy http://p:3128: connection refused; " +
      "check the proxy, or add h1 to NO_PROXY",
  );
  assertStringIncludes(faultOf("etcdserver: no leader"), "check etcd's other members");
});

Deno.test("etcdFault() is a timeout with the limit if no answer came in time", () => {
  const late = new TransportError(CODE.deadlineExceeded, "did not answer in 5000 ms");
  const fault = etcdFault({ endpoint: "h1:2379" }, late, 5_000);
  assertEquals(fault.code, "timeout");
  assertStringIncludes(fault.message, "no answer within 5000 ms: h1:2379 does not answer");
  for (
    const [endpoint, words] of [
      ["192.0.2.254:2379", "192.0.2.254 2379"],
      ["[2001:db8::1]:2379", "2001:db8::1 2379"],
      [`${"etcd-0.".repeat(10)}example.com:2379`, `${"etcd-0.".repeat(10)}example.com 2379`],
    ] as const
  ) {
    assertEquals(
      etcdFault({ endpoint }, late, 5_000).fix,
      `check whether etcd is running there, and whether TCP reaches it (nc -vz ${words})`,
    );
  }
});

Deno.test("outcomeUnknownFault() keeps code and reason, and says to read again", () => {
  const late = new TransportError(CODE.deadlineExceeded, "did not answer in 5000 ms");
  const fault = outcomeUnknownFault(etcdFault({ endpoint: "h1:2379" }, late, 5_000));
  assertEquals(fault.code, "timeout");
  assertStringIncludes(fault.message, "may or may not have applied a commit: no answer within");
  assertStringIncludes(fault.message, "read again before the next try");
});

const errors: readonly (readonly [
  code: number,
  message: string,
  flags: string,
])[] = [
  [CODE.unavailable, "broken pipe", "transient unknown"],
  [CODE.deadlineExceeded, "did not answer", "transient unknown"],
  [CODE.unknown, "etcdserver: too many requests", "transient"],
  [CODE.unknown, "raft: stopped", "transient unknown"],
  [CODE.unauthenticated, "etcdserver: invalid auth token", "login"],
  [CODE.invalidArgument, "etcdserver: user name is empty", "login"],
  [CODE.invalidArgument, "etcdserver: duplicate key", ""],
  [CODE.resourceExhausted, "grpc: received message larger than max (5 vs. 4)", "too long"],
];

for (const [code, message, flags] of errors) {
  Deno.test(`TransportError ${code} "${message}" is ${flags || "final"}`, () => {
    const error = new TransportError(code, message);
    const found = [
      ...error.isTransient ? ["transient"] : [],
      ...error.isOutcomeUnknown ? ["unknown"] : [],
      ...error.needsLogin ? ["login"] : [],
      ...error.isTooLong ? ["too long"] : [],
    ];
    assertEquals(found.join(" "), flags);
    assertEquals(new TransportError(code, message, true).isOutcomeUnknown, false);
  });
}
