import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startOtherMachine, type OtherMachine } from "./other-machine.js";
import {
  isRoot,
  openTestSandbox,
  processesWith,
  type SandboxKind,
  type TestSandbox,
} from "./test-sandbox.js";

/**
 * The tests of the reach of a command with network: the outside and one port of the server, nothing
 * else on the machine.
 */
export function testNetwork({ setting }: SandboxKind): void {
  let sandbox: TestSandbox;
  const servers: Server[] = [];

  async function serve(...where: [port: number, host: string] | [path: string]): Promise<number> {
    const server = createServer((socket) => socket.end("reached"));
    servers.push(server);
    await new Promise<void>((resolve) => {
      if (where.length === 1) server.listen(where[0], resolve);
      else server.listen(where[0], where[1], resolve);
    });
    return where.length === 1 ? 0 : (server.address() as AddressInfo).port;
  }

  beforeAll(async () => {
    sandbox = await openTestSandbox({ sandbox: setting });
    expect(sandbox.report.fullNetwork).toEqual({ isolated: true, reason: null, install: null });
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    await sandbox.close();
  });

  /** The answer of each address to a command with network, or the error code. */
  async function answers(
    targets: readonly object[],
    options: Parameters<TestSandbox["run"]>[1] = {},
  ): Promise<unknown[]> {
    const script = `
    const answers = JSON.parse(process.argv[1]).map((to) => new Promise((resolve) => {
      const socket = require("net").connect({ ...to, timeout: 5000 });
      socket.on("data", (text) => resolve(String(text)));
      socket.on("error", ({ code }) => resolve(code));
      socket.on("timeout", () => resolve("timeout"));
    }));
    Promise.all(answers).then((all) => { console.log(JSON.stringify(all)); process.exit(); });`;
    const command = ["node", "-e", script, JSON.stringify(targets)];
    const ended = await sandbox.run(command, { network: "full", ...options });
    return JSON.parse(ended.output) as unknown[];
  }

  test("reaches one port of the server at its own loopback, and nothing else on the machine", async () => {
    const callback = await serve(0, "127.0.0.1");
    const other = await serve(0, "127.0.0.1");
    const everywhere = await serve(0, "::");
    await serve(`\0omoi-network-${process.pid}`);
    const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const outer = own.filter(({ internal }) => !internal).map(({ address }) => address);
    expect(outer).not.toEqual([]);
    const refused = [
      { host: "127.0.0.1", port: other },
      { host: "::1", port: everywhere },
      ...outer.map((address) => {
        const isLinkLocal = address.startsWith("fe80:");
        return { host: isLinkLocal ? `${address}%net0` : address, port: everywhere };
      }),
      // Addresses that pasta maps by default: the machine's loopback, and metadata services.
      { host: "198.18.0.2", port: other },
      { host: "169.254.169.254", port: 80 },
      { host: "fd00:ec2::254", port: 80 },
      { path: `\0omoi-network-${process.pid}` },
    ];
    const targets = [{ host: "127.0.0.1", port: callback }, ...refused];
    const [first, ...others] = await answers(targets, { ports: [callback] });
    expect(first).toBe("reached");
    for (const [index, answer] of others.entries()) {
      expect([refused[index], answer]).toEqual([
        refused[index],
        expect.stringMatching(/^(ECONNREFUSED|EACCES|ENETUNREACH|EHOSTUNREACH)$/),
      ]);
    }
    // Nor without permission to call back.
    expect(await answers([{ host: "127.0.0.1", port: callback }])).toEqual(["ECONNREFUSED"]);
  });

  test.skipIf(!isRoot)(
    "reaches other machines, but no container on a bridge of this one",
    async () => {
      const outside = await startOtherMachine();
      const container = await startOtherMachine(true).catch((error: unknown) => {
        outside.close();
        throw error;
      });
      const addressesOf = ({ address, address6, port }: OtherMachine): object[] =>
        [address, address6].flatMap((host) => (host === null ? [] : { host, port }));
      const reached = addressesOf(outside);
      const refused = addressesOf(container);
      const got = await answers([...reached, ...refused]).finally(() => {
        outside.close();
        container.close();
      });
      expect(got.slice(0, reached.length)).toEqual(reached.map(() => "reached"));
      expect(got.slice(reached.length)).toEqual(
        refused.map(() => expect.stringMatching(/^(EACCES|ENETUNREACH|EHOSTUNREACH)$/)),
      );
    },
  );

  test("reaches neither the loopback nor abstract sockets of another run", async () => {
    const script = `
    const serve = (...where) => require("net").createServer((socket) => socket.end("reached"))
      .listen(...where, () => console.log("ready"));
    serve(7777, "0.0.0.0"); serve("\\0omoi-of-a-run");`;
    const first = await sandbox.start(["node", "-e", script], { network: "full" });
    await expect.poll(() => first.output()).toContain("ready\nready");
    const targets = [
      { host: "127.0.0.1", port: 7777 },
      { host: "198.18.0.2", port: 7777 },
      { path: "\0omoi-of-a-run" },
    ];
    expect(await answers(targets)).toEqual(["ECONNREFUSED", "ECONNREFUSED", "ECONNREFUSED"]);
    first.stop(0);
    await first.done;
  });

  test("resolves names through the machine's resolver", async () => {
    const { output } = await sandbox.run(["cat", "/etc/resolv.conf"], { network: "full" });
    expect(output).toMatch(/^nameserver (198\.18\.0\.1|fd6f:6d6f:6e65::53)$/m);
    const own = readFileSync("/etc/resolv.conf", "utf8").match(/^nameserver .*$/gm) ?? [];
    for (const line of own) expect(output).not.toContain(`${line}\n`);
  });

  test("the network processes have no privileges in a run, and a user of their own outside", async () => {
    const started = await sandbox.start(["sleep", "60"], { network: "full", ports: [9] });
    try {
      const [pasta] = pastasFor(9);
      const status = readFileSync(`/proc/${pasta}/status`, "utf8");
      if (isRoot) expect(status).toMatch(/^Uid:\s+60860\s+60860\s+60860\s+60860$/m);
      // Invisible from inside, and no rights to change the setup.
      const tried = await sandbox.run(
        [
          "sh",
          "-c",
          `exec 2>&1; ps -e | grep -c pasta; ip rule del pref 10; ip link set net0 down
          unshare --user --map-root-user ip rule del pref 10 >/dev/null 2>&1 || echo refused`,
        ],
        { network: "full" },
      );
      expect(tried.output).toMatch(
        /^0\n(?:RTNETLINK answers: (?:Operation not permitted|Permission denied)\n){2}refused\n$/,
      );
    } finally {
      started.stop(0);
      await started.done;
    }
    expect(pastasFor(9)).toEqual([]);
  });

  test("the network processes end with a run, however it ends", async () => {
    const port = 10;
    const ended = await Promise.all(
      ["exit 0", "kill -9 1; kill -9 $$", "nonsense-program"].map((line) =>
        sandbox.run(["sh", "-c", line, randomUUID()], { network: "full", ports: [port] }),
      ),
    );
    expect(ended.map(({ reason }) => reason)).toEqual(["exited", "exited", "exited"]);
    expect(pastasFor(port)).toEqual([]);
    const started = sandbox.run([`/no/such/${randomUUID()}`], {
      network: "full",
      ports: [port],
    });
    expect(await started).toMatchObject({ reason: "start_failed" });
    expect(pastasFor(port)).toEqual([]);
  });
}

/** The pasta processes that forward this port. */
function pastasFor(port: number): number[] {
  return processesWith(`--tcp-ns\0${port}\0`);
}
