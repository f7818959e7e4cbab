/** The reach of containers with the network `full`, in real engines. */
import { randomUUID } from "node:crypto";
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type AddressInfo, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startOtherMachine, type OtherMachine } from "#test/support/sandbox/other-machine.js";
import {
  engineImage,
  engineUnavailableReason,
  startRealEngine,
  type Engine,
} from "#test/support/sandbox/real-engines.js";
import { descendantsOf, resourceName } from "../processes.js";
import type { SandboxedProcess, SandboxInput } from "../sandbox.js";
import { writeResolver } from "./container-network.js";
import { dockerApi } from "./docker-api.js";
import { containerOf } from "./docker-container.js";
import { openDocker, type DockerSandbox } from "./docker.js";

const agentUid = 60_861;

/** Connects to each target of the file in its argument once that exists, and prints what came back. */
const CONNECT = `
const { existsSync, readFileSync } = require("fs"), net = require("net"), dns = require("dns");
const one = ({ name, ...to }) => new Promise((resolve) => {
  if (name) {
    const resolver = new dns.Resolver({ timeout: 4000, tries: 2 });
    return resolver.resolve4(name, (error) => resolve(error ? error.code : "resolved"));
  }
  const socket = net.connect({ ...to, timeout: 4000 });
  socket.on("data", (text) => resolve(String(text)));
  socket.on("error", ({ code }) => resolve(code));
  socket.on("timeout", () => resolve("timeout"));
});
console.log("waiting");
const timer = setInterval(async () => {
  if (!existsSync("targets.json")) return;
  clearInterval(timer);
  const all = await Promise.all(JSON.parse(readFileSync("targets.json", "utf8")).map(one));
  console.log(JSON.stringify(all));
  process.exit();
}, 50);`;

const SERVE = `require("net").createServer((socket) => socket.end("reached")).listen(7777, "::")`;

/** Errors of the rules, and of IPv6 in a container without it; never a time-out. */
const REFUSED = expect.stringMatching(
  /^(ECONNREFUSED|EACCES|ENETUNREACH|EHOSTUNREACH|EADDRNOTAVAIL)$/,
) as string;

describe.each(["docker", "podman"] as const)("the network full in %s", (name) => {
  beforeEach(({ skip }) => {
    const reason = engineUnavailableReason(name);
    if (reason !== null) skip(reason);
  });

  let engine: Engine;
  let docker: DockerSandbox;
  let outside: OtherMachine;
  let folder: string;
  let container: string | undefined;
  const servers: Server[] = [];

  beforeAll(async () => {
    if (engineUnavailableReason(name) !== null) return;
    engine = await startRealEngine(name);
    outside = await startOtherMachine();
    folder = mkdtempSync(join(tmpdir(), "omoi-full-network-"));
    docker = await openDocker({
      dataDir: folder,
      dockerSocket: engine.socket,
      dockerImage: engineImage,
      agentUid,
      networkUid: 60_860,
    });
    chownSync(folder, agentUid, agentUid);
  }, 300_000);

  afterAll(async () => {
    if (engine === undefined) return;
    for (const server of servers) server.close();
    await docker?.close();
    if (container !== undefined) engine.cli(["rm", "--force", container]);
    outside?.close();
    await engine.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function listen(host: string): Promise<number> {
    const server = createServer((socket) => socket.end("reached"));
    servers.push(server);
    await new Promise<void>((resolve) => {
      server.listen(0, host, resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  const inputOf = (command: string[]): SandboxInput => ({
    id: randomUUID(),
    folder,
    home: null,
    uid: null,
    command,
    env: {},
    network: "full",
    limits: {
      memoryBytes: 256 << 20,
      processes: 64,
      cpus: null,
      diskBytes: null,
      diskFiles: null,
    },
    onOutput: () => undefined,
  });

  async function start(
    command: string[],
    ports: number[] = [],
  ): Promise<SandboxedProcess & { output(): string }> {
    let text = "";
    const started = await docker.start({
      ...inputOf(command),
      ports,
      onOutput: (_stream, chunk) => {
        text += chunk.toString("utf8");
      },
    });
    return { ...started, output: () => text };
  }

  test("reaches the outside and the server's port, but no container and no service of the machine", async () => {
    expect(docker.report.fullNetwork).toEqual({ isolated: true, reason: null, install: null });
    const callback = await listen("127.0.0.1");
    const other = await listen("127.0.0.1");
    const everywhere = await listen("::");
    const anotherRun = await start(["node", "-e", `${SERVE}; console.log("waiting")`]);
    const started = await start(["node", "-e", CONNECT], [callback]);
    const isWaiting = () => anotherRun.output() + started.output();
    await expect.poll(isWaiting).toBe("waiting\nwaiting\n");
    // Podman makes its bridge for the first container on it.
    container = engine.cli(["run", "--detach", engineImage, "node", "-e", SERVE]);
    const address = engine.cli([
      "inspect",
      "--format",
      "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
      container,
    ]);
    expect(address).toMatch(/^(172|10)\.\d+\.\d+\.\d+$/);
    // The machine itself reaches it.
    await expect.poll(() => answerOf(address, 7777)).toBe("reached");
    const own = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
    const outer = own.filter(({ internal }) => !internal).map(({ address }) => address);
    expect(outer).toContain(engine.gateway);
    const refused = [
      { host: address, port: 7777 },
      { host: "198.18.0.1", port: everywhere },
      { host: "198.18.0.2", port: 7777 },
      ...["127.0.0.1", "::1"].map((host) => ({ host, port: other })),
      ...outer
        .filter((address) => !address.startsWith("fe80:"))
        .map((host) => ({ host, port: everywhere })),
      { host: "fe80::1%net0", port: everywhere },
      { host: "169.254.169.254", port: 80 },
      { host: "100.100.100.200", port: 80 },
      { host: "fd00:ec2::254", port: 80 },
    ];
    const reached = [
      { host: "127.0.0.1", port: callback },
      ...[outside.address, outside.address6].flatMap((host) =>
        host === null ? [] : { host, port: outside.port },
      ),
      // The machine's resolver answers that there is no such name.
      { name: "omoi.invalid" },
    ];
    const path = join(folder, "targets.json");
    writeFileSync(`${path}.part`, JSON.stringify([...reached, ...refused]));
    renameSync(`${path}.part`, path);
    expect(await started.done).toMatchObject({ reason: "exited", exitCode: 0 });
    const answers = JSON.parse(started.output().split("\n")[1] as string) as string[];
    expect(answers.splice(0, reached.length)).toEqual(
      reached.map((item) => ("name" in item ? "ENOTFOUND" : "reached")),
    );
    for (const [index, answer] of answers.entries()) {
      expect([refused[index], answer]).toEqual([refused[index], REFUSED]);
    }
    anotherRun.stop(0);
    await anotherRun.done;
    const left = descendantsOf(process.pid).map(({ pid }) => commandOf(pid));
    expect(left.filter((command) => command.includes("pasta"))).toEqual([]);
  });

  test("a command whose server died before it was allowed to start never starts", async () => {
    const api = dockerApi(engine.socket);
    const dead = resourceName({ pid: 999_999_999, startTime: "1" }, folder);
    const made = containerOf(
      {
        input: inputOf(["touch", "/workspace/started"]),
        name: dead,
        uid: agentUid,
        image: engineImage,
        resolver: writeResolver(folder),
      },
      false,
    );
    const { Id: id } = (await api.call("POST", "/containers/create", made)) as { Id: string };
    const running = async (): Promise<boolean> => {
      const found = await api.call("GET", `/containers/${id}/json`);
      return (found as { State: { Running: boolean } }).State.Running;
    };
    const output = await api.attach(id);
    await api.call("POST", `/containers/${id}/start`);
    // Long enough for a command that does not wait.
    await pause(1000);
    expect(await running()).toBe(true);
    // As the kernel does for a process that was killed.
    output.stdin.destroy();
    await expect.poll(running).toBe(false);
    expect(existsSync(join(folder, "started"))).toBe(false);
    await docker.cleanUp();
    await expect(api.call("GET", `/containers/${id}/json`)).rejects.toThrow(id);
    // The same command starts where its server lives.
    expect(await (await start(["touch", "/workspace/started"])).done).toMatchObject({
      exitCode: 0,
    });
    expect(existsSync(join(folder, "started"))).toBe(true);
  });

  test("has no right to change its network", async () => {
    // SIOCSIFFLAGS of netdevice(7): takes the interface down.
    const takeDown = `socket(S, 2, 2, 0); $r = pack("a16s", "net0", 0); print ioctl(S, 0x8914, $r) ? "down" : "$!", "\\n"`;
    const script = `
    grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/self/status
    perl -e '${takeDown}'
    unshare --user --map-root-user perl -e '${takeDown}' 2>/dev/null || echo "No user namespace"
    nsenter --net=/proc/1/ns/net true 2>/dev/null && echo entered
    echo 1 2>/dev/null > /proc/sys/net/ipv4/conf/net0/forwarding && echo changed
    cat /etc/resolv.conf`;
    const started = await start(["sh", "-c", script]);
    expect(await started.done).toMatchObject({ reason: "exited" });
    expect(started.output()).toMatch(
      /^CapEff:\t0+\nCapBnd:\t0+\nNoNewPrivs:\t1\nOperation not permitted\n(Operation not permitted|No user namespace)\n/,
    );
    expect(started.output()).toMatch(/^nameserver (198\.18\.0\.1|fd6f:6d6f:6e65::53)$/m);
    expect(started.output()).not.toMatch(/down|entered|changed/);
  });
});

function answerOf(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    connect({ host, port, timeout: 1000 })
      .on("data", (text) => resolve(String(text)))
      .on("error", (error) => resolve(error.message))
      .on("timeout", () => resolve("timeout"));
  });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
