/** Servers with other users, fewer privileges, other addresses and unusual folders. */
import { spawnSync } from "node:child_process";
import { chown, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
    await runScenario(url, { script: "cat hello.txt; test $(nice) -eq 15" });
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
