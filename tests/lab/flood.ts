// Runs inside a pod's namespace: asks for each port of an address, one after the other, for some seconds,
// and never waits for an answer. Prints how many it asked for.
// deno run --allow-net flood.ts ADDRESS SECONDS

const [hostname = "", seconds = "1"] = Deno.args;
const end = performance.now() + Number(seconds) * 1_000;
let asked = 0;
for (let port = 1; performance.now() < end; port = port % 65_535 + 1) {
  if (port === 80) continue;
  const signal = AbortSignal.timeout(200);
  Deno.connect({ hostname, port, signal }).then((one) => one.close(), () => {});
  // As many at once as a process may have files.
  if (++asked % 50 === 0) await new Promise((done) => setTimeout(done, 10));
}
console.log(asked);
Deno.exit(0);
