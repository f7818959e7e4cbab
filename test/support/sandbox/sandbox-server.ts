/** A server that only runs commands, for tests that kill it. */
import { openTestSandbox } from "./test-sandbox.js";

const [dataDir, mark, runs, port] = process.argv.slice(2) as [string, string, string, string?];
const network = port === undefined ? {} : ({ network: "full", ports: [+port] } as const);
const sandbox = await openTestSandbox({ dataDir });
process.stdout.write("open\n");
const script = `
  (setsid sh -c 'trap "" TERM HUP INT; : sleep-${mark}; while :; do sleep 1; done' &)
  : sleep-${mark}; while :; do sleep 1; done`;
for (let run = 0; run < Number(runs); run += 1) {
  void sandbox.start(["sh", "-c", script], network).then(() => process.stdout.write("started\n"));
}
