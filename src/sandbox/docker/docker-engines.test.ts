/**
 * Runs in containers of real Docker and Podman engines; docker.test.ts simulates engine failures.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { chown, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  engineImage,
  startRealEngine,
  engineUnavailableReason,
  type Engine,
} from "#test/support/sandbox/real-engines.js";
import { freePort } from "#test/support/server/free-port.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { makeAgent, makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { eventsOf } from "#test/support/fixtures/session-events.js";
import { clientOf, startServer } from "#test/support/server/server-process.js";
import { runScenario } from "#test/support/server/end-to-end-scenario.js";
import { openDocker, type DockerSandbox } from "./docker.js";
import type { SandboxExit, SandboxInput } from "../sandbox.js";

const agentUid = 60_861;
const MIB = 1 << 20;

describe.each(["docker", "podman"] as const)("%s", (name) => {
  beforeEach(({ skip }) => {
    const reason = engineUnavailableReason(name);
    if (reason !== null) skip(reason);
  });

  let engine: Engine;
  let docker: DockerSandbox;
  let folder: string;

  beforeAll(async () => {
    if (engineUnavailableReason(name) !== null) return;
    engine = await startRealEngine(name);
    folder = mkdtempSync(join(tmpdir(), "omoi-engine-test-"));
    docker = await openDocker({
      dataDir: folder,
      dockerSocket: engine.socket,
      dockerImage: engineImage,
      agentUid,
      networkUid: 60_860,
    });
    await chown(folder, agentUid, agentUid);
  }, 300_000);

  afterAll(async () => {
    if (engine === undefined) return;
    await docker.close();
    await engine.close();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Output {
    text: string;
    /** The arrival time of each chunk. */
    pieces: { text: string; at: number }[];
  }
  async function run(
    script: string,
    options: Partial<SandboxInput["limits"]> & { network?: "none" | "full" } = {},
  ): Promise<SandboxExit & Output> {
    const { network = "none", ...limits } = options;
    const pieces: Output["pieces"] = [];
    const started = await docker.start({
      id: randomUUID(),
      folder,
      home: null,
      uid: null,
      command: shell(script),
      env: { GREETING: "hello there" },
      network,
      limits: {
        memoryBytes: 256 * MIB,
        processes: 64,
        cpus: 1,
        diskBytes: null,
        diskFiles: null,
        ...limits,
      },
      onOutput: (_stream, chunk) => {
        pieces.push({ text: chunk.toString("utf8"), at: performance.now() });
      },
    });
    const exit = await started.done;
    return { ...exit, pieces, text: pieces.map(({ text }) => text).join("") };
  }

  test("reports exit codes and signals, and writes into the workspace as its user", async () => {
    expect(docker.report).toMatchObject({ mode: "docker", seccomp: true });
    writeFileSync(join(folder, "given.txt"), "given\n");
    const ended = await run('cat given.txt; id -u; echo "$GREETING" > "$PWD/made.txt"; exit 3');
    expect(ended).toMatchObject({ reason: "exited", exitCode: 3, text: `given\n${agentUid}\n` });
    expect(readFileSync(join(folder, "made.txt"), "utf8")).toBe("hello there\n");
    expect(await run("kill -9 $$")).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
    expect(await run("exec /no/such/program")).toMatchObject({ exitCode: 127 });
    expect(await run("for at in /tmp ~ /run; do echo x > $at/file || exit 1; done")).toMatchObject({
      exitCode: 0,
    });
    expect(await run("echo x > /etc/file")).not.toMatchObject({ exitCode: 0 });
    expect((await run("cat /proc/net/dev")).text).not.toContain("eth0");
    expect((await run("cat /proc/net/dev", { network: "full" })).text).toContain("net0");
  });

  test("fails for a missing program", async () => {
    const started = await docker.start({
      id: randomUUID(),
      folder,
      home: null,
      uid: null,
      command: ["no-such-program"],
      env: {},
      network: "none",
      limits: {
        memoryBytes: 64 * MIB,
        processes: 16,
        cpus: null,
        diskBytes: null,
        diskFiles: null,
      },
      onOutput: () => undefined,
    });
    expect((await started.done).exitCode).not.toBe(0);
  });

  test("streams output while it runs, and stops", async () => {
    const { pieces } = await run("echo one; sleep 1; echo two");
    expect(pieces.map(({ text }) => text).join("")).toBe("one\ntwo\n");
    expect((pieces.at(-1)?.at ?? 0) - (pieces[0]?.at ?? 0)).toBeGreaterThan(500);
    const started = await docker.start({
      id: randomUUID(),
      folder,
      home: null,
      uid: null,
      command: shell("trap 'exit 7' TERM; sleep 60 & wait"),
      env: {},
      network: "none",
      limits: {
        memoryBytes: 64 * MIB,
        processes: 16,
        cpus: null,
        diskBytes: null,
        diskFiles: null,
      },
      onOutput: () => undefined,
    });
    started.stop(10_000);
    expect(await started.done).toMatchObject({ reason: "stopped" });
  });

  test("reads what is written to its input, and its end", async () => {
    for (const network of ["none", "restricted", "full"] as const) {
      let text = "";
      const started = await docker.start({
        id: randomUUID(),
        folder,
        home: null,
        uid: null,
        command: shell("read one; echo got $one; cat; echo end"),
        env: {},
        network,
        ports: [await freePort()],
        hasInput: true,
        limits: {
          memoryBytes: 64 * MIB,
          processes: 16,
          cpus: null,
          diskBytes: null,
          diskFiles: null,
        },
        onOutput: (_stream, chunk) => {
          text += chunk.toString("utf8");
        },
      });
      started.input?.write("first\n");
      await expect.poll(() => text).toBe("got first\n");
      started.input?.end("rest\n");
      expect(await started.done).toMatchObject({ exitCode: 0 });
      expect(text).toBe("got first\nrest\nend\n");
    }
  });

  test("enforces limits and reports usage", async () => {
    const hungry = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 8";
    expect(await run(hungry, { memoryBytes: 64 * MIB })).toMatchObject({ reason: "memory" });
    const forks = "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; wait";
    expect((await run(forks, { processes: 6 })).text).toMatch(/fork|Resource/i);
    // Neither more than requested nor more than the engine itself may have.
    expect(Number((await run("ulimit -n")).text)).toBeLessThanOrEqual(65_536);
    expect((await run("head -c 2000000 /dev/zero > big", { diskBytes: MIB })).exitCode).not.toBe(0);
    const busy = "i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done; sleep 1";
    const { cpuSeconds, peakMemoryBytes } = await run(busy);
    expect(cpuSeconds).toBeGreaterThan(0.1);
    expect(peakMemoryBytes).toBeGreaterThan(50_000);
  });

  test("a run with network calls the server back at OMOI_URL", async () => {
    const port = await freePort();
    const server = startServer({
      OMOI_DATA_DIR: join(folder, "data"),
      OMOI_DOCKER_SOCKET: engine.socket,
      OMOI_DOCKER_IMAGE: engineImage,
      OMOI_PORT: String(port),
    });
    await server.ready;
    const script = `exec perl -MIO::Socket::INET -e '
      my ($host, $port) = $ENV{OMOI_URL} =~ m{//([^:/]+):(\\d+)};
      my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port) or die $!;
      print $socket "GET /api/v1/agents/$ENV{OMOI_AGENT_ID} HTTP/1.1\\r\\nHost: $host\\r\\nAuthorization: Bearer $ENV{OMOI_TOKEN}\\r\\nConnection: close\\r\\n\\r\\n";
      my $line = <$socket>; die $line if $line !~ / 200 /; print "hello";'`;
    const scenario = runScenario(`http://127.0.0.1:${port}`, {
      script,
      type: "docker",
      network: "full",
    });
    await scenario.finally(() => server.process.kill("SIGTERM"));
    expect((await server.ended).code).toBe(0);
  });

  test("a session asks, edits, and is resumed in another container", async () => {
    const server = startServer({
      OMOI_DATA_DIR: join(folder, "sessions"),
      OMOI_DOCKER_SOCKET: engine.socket,
      OMOI_DOCKER_IMAGE: engineImage,
    });
    const url = await server.ready;
    const person = { email: "ada@example.com", password: "correct staple horse" };
    await clientOf(url).auth.register({ body: person });
    const { data: signedIn } = await clientOf(url).auth.login({ body: person });
    const owner = { api: clientOf(url, signedIn.access_token), token: signedIn.access_token };
    const project = await makeProject(owner, (await makeOrganization(owner)).id);
    const params = { agent_id: (await makeAgent(owner, project.id)).id };
    await owner.api.workspaces.create({ params, body: { workspace_type: "docker" } });
    const body = {
      preset: "custom",
      command: acpAgent("resume"),
      prompt: "ask",
      network: "none",
    } as const;
    const { data: session } = await owner.api.agentSessions.create({ params, body });
    const at = { params: { session_id: session.id } };
    const read = async () => (await owner.api.agentSessions.get(at)).data;
    const wait = (status: string) => expect.poll(async () => (await read()).status).toBe(status);
    await wait("waiting_for_permission");
    const [request] = (await read()).permissions;
    await owner.api.agentSessions.answer({
      params: { ...at.params, request_id: request?.request_id as string },
      body: { option_id: "yes" },
    });
    await wait("idle");
    await owner.api.runs.stop({ params: { run_id: session.run_id as string }, body: {} });
    await waitForRunEnd(owner, session.run_id as string);
    await owner.api.agentSessions.prompt({ ...at, body: { text: "tool" } });
    const said = async () => JSON.stringify(await eventsOf({ url }, owner, session.id));
    await expect.poll(said).toMatch(/turn_end.*turn_end/);
    expect(await said()).toContain("answers: yes");
    expect((await read()).run_id).not.toBe(session.run_id);
    await owner.api.agentSessions.close(at);
    await waitForRunEnd(owner, (await read()).run_id as string);
    const { data: changes } = await owner.api.workspaces.changes({ params });
    expect(JSON.stringify(changes)).toContain("a.txt");
    server.process.kill("SIGTERM");
    expect((await server.ended).code).toBe(0);
  });

  test("reports that a server in another mount namespace hides its overlays from the engine", async () => {
    const env = {
      OMOI_DATA_DIR: join(folder, "unseen"),
      OMOI_DOCKER_SOCKET: engine.socket,
      OMOI_DOCKER_IMAGE: engineImage,
      OMOI_FOLDER_DRIVER: "overlay",
    };
    const server = startServer(env, [], ["unshare", "--mount"]);
    const url = await server.ready;
    const write = async (path: string, text: string): Promise<void> =>
      writeFile(`/proc/${server.process.pid}/root${path}`, text);
    const scenario = runScenario(url, { type: "docker", write });
    await expect(scenario).rejects.toThrow("does not see the workspace's folder");
    server.process.kill("SIGTERM");
    await server.ended;
  });
});
