/** Servers with other users, fewer privileges, other addresses and unusual folders. */
import { spawnSync } from "node:child_process";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  folderOf,
  makeAgent,
  makeWorkspace,
  mergeIntoBase,
} from "../support/fixtures/factories.js";
import { shell, waitForRunEnd } from "../support/fixtures/runs.js";
import { builtFile } from "../support/server/built-files.js";
import { startServer, type ServerProcess } from "../support/server/server-process.js";
import { runScenario } from "../support/server/end-to-end-scenario.js";

/** User and group `nobody`, which exist on every Linux. */
const nobody = 65_534;
const asNobody = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
const niced = ["nice", "-n", "10"];
const withoutNice = ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"];

const succeeds = ([program = "", ...args]: readonly string[]): boolean =>
  spawnSync(program, args).status === 0;
const isRoot = process.getuid?.() === 0;
const readsAsNobody = isRoot && succeeds([...asNobody, "test", "-r", builtFile("server/main.js")]);
const hasLoopback6 = succeeds(["grep", "-q", "lo$", "/proc/net/if_inet6"]);

describe("a server", () => {
  let folder: string;
  let server: ServerProcess | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi's folder "));
  });
  afterEach(async () => {
    server?.process.kill("SIGTERM");
    await server?.ended;
    server = undefined;
    await rm(folder, { recursive: true, force: true });
  });
  const start = (env: Record<string, string>, through: readonly string[]): Promise<string> => {
    server = startServer({ OMOI_DATA_DIR: join(folder, "my data"), ...env }, [], through);
    return server.ready;
  };

  test.runIf(readsAsNobody)("without privileges and under nice runs commands", async () => {
    await chown(folder, nobody, nobody);
    // The command's niceness is above the server's.
    const url = await start({}, [...niced, ...asNobody]);
    await runScenario(url, { script: "cat hello.txt; test $(nice) -eq 19" });
  });

  test.runIf(readsAsNobody)("without privileges builds environments", async () => {
    await chown(folder, nobody, nobody);
    const { owner, projectId } = await runScenario(await start({}, asNobody));
    const params = { project_id: projectId };
    const { workspace } = await makeWorkspace(owner, projectId);
    await writeFile(join(folderOf(workspace), ".gitignore"), "build/\n");
    await mergeIntoBase(owner, workspace);
    // Root would read what its own user cannot.
    const script = "mkdir build; cd build; echo hello > a; mkdir -p closed/b; echo c > closed/b/c";
    const body = { setup_script: `${script}; chmod 0 a closed/b/c closed/b closed` };
    await owner.api.environments.set({ params, body });
    const agent = await makeAgent(owner, projectId);
    const of = { agent_id: agent.id };
    await owner.api.workspaces.create({ params: of });
    const command = shell("cat build/a build/closed/b/c");
    const { data: run } = await owner.api.runs.create({ params: of, body: { command } });
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "succeeded" });
    const { data: builds } = await owner.api.environments.builds({ params, query: {} });
    expect(builds).toEqual([expect.objectContaining({ status: "succeeded", detail: null })]);
  });

  test.runIf(isRoot)("of root without CAP_SYS_NICE runs commands", async () => {
    await runScenario(await start({}, withoutNice));
  });

  test.runIf(hasLoopback6)("at an IPv6 address serves, limits and is called back", async () => {
    const url = await start({ OMOI_HOST: "::1", OMOI_MAX_CONNECTIONS_PER_ADDRESS: "20" }, []);
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    const { cloneUrl } = await runScenario(url);
    expect(cloneUrl.startsWith(`${url}/git/`)).toBe(true);

    const port = Number(new URL(url).port);
    const sockets = Array.from({ length: 21 }, () => connect(port, "::1"));
    const answers = sockets.map((socket) => text(socket).catch(() => ""));
    // Only the last one exceeds the limit.
    expect(await Promise.race(answers)).toContain("429 Too Many Requests");
    for (const socket of sockets) socket.destroy();
  });
});
