/** Homes of agents: kept between runs, out of commits, limited, and removed with the workspace. */
import { lstat, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { describeEachSandbox, isRoot } from "#test/support/sandbox/test-sandbox.js";
import { send } from "#test/support/http/raw-request.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { storageIn } from "../../../data-folder/storage.js";
import { openHome, removeHome } from "./homes.js";

const MiB = 1024 * 1024;

describeEachSandbox("homes", ({ setting }) => {
  let app: TestApp;
  let owner: TestPerson;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp({ OMOI_SANDBOX: setting, OMOI_RUN_DISK_MIB: "64" }, "real");
    owner = await app.person("Ada");
    project = await makeProject(owner, (await makeOrganization(owner)).id);
  });
  afterAll(() => app?.close());

  const run = async ({ id }: Agent, script: string): Promise<Run & { text: string }> => {
    const params = { agent_id: id };
    const { data } = await owner.api.runs.create({ params, body: { command: shell(script) } });
    const ended = await waitForRunEnd(owner, data.id);
    const log = await send(app, "GET", `/api/v1/runs/${data.id}/logs`, { token: owner.token });
    return { ...ended, text: log.text };
  };
  const homeOf = ({ id }: Agent): string =>
    storageIn(app.dataDir).home(project.organization_id, id);

  test("are kept from run to run and never committed", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const first = await run(agent, "cd && pwd && ls -A && mkdir -p .cache && echo kept > .cache/a");
    expect(first).toMatchObject({ status: "succeeded", text: "/home/agent\n", checkpoint: null });
    const second = await run(agent, "cat ~/.cache/a; stat -c '%u %a' ~; id -u");
    const [kept, home, uid] = second.text.trim().split("\n");
    expect([kept, home]).toEqual(["kept", `${uid} 700`]);
    const params = { agent_id: agent.id };
    expect((await owner.api.workspaces.changes({ params })).data.files).toEqual([]);
    const { agent: other } = await makeWorkspace(owner, project.id);
    expect((await run(other, "ls -A ~; ls /home")).text).toBe("agent\n");
  });

  test("count in the disk limit of the run and in the disk usage", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const half = "head -c 40000000 /dev/urandom >";
    expect(await run(agent, `${half} ~/a`)).toMatchObject({ status: "succeeded" });
    await queryAsOwner(app, "update workspace_disk_usage set measured_at = now() - interval '1 h'");
    const params = { agent_id: agent.id };
    const usage = async () => (await owner.api.workspaces.get({ params })).data.disk?.bytes ?? 0;
    await expect.poll(usage).toBeGreaterThan(38 * MiB);
    expect(await run(agent, `${half} b; sleep 60`)).toMatchObject({
      status: "failed",
      detail: "Its workspace and home exceeded the disk limit of 64 MiB.",
    });
  });

  test("and workspace have at most one file for each 4 KiB of the disk limit", async () => {
    const { agent } = await makeWorkspace(owner, project.id);
    const make = (files: number): string => `mkdir -p d; cd d; seq ${files} | xargs touch; cd`;
    expect(await run(agent, make(16_000))).toMatchObject({ status: "succeeded" });
    expect(await run(agent, `${make(16_385)}; sleep 60`)).toMatchObject({
      status: "failed",
      detail: "Its workspace and home exceeded the server's limit of 16384 files and folders.",
    });
  });

  test("end with the workspace, whatever they contain", async () => {
    const outside = await mkdtemp(join(tmpdir(), "omoi-outside-"));
    await writeFile(join(outside, "file"), "stays");
    const { agent } = await makeWorkspace(owner, project.id);
    const script = `
ln -s ${outside} ~/link; ln -s ${outside}/file ~/file; mkfifo ~/pipe; mkdir ~/closed; chmod 0 ~/closed
cd; d=$(printf %0100d 0); i=0; while [ $i -lt 50 ]; do mkdir $d && cd $d; i=$((i+1)); done; : > end`;
    expect(await run(agent, script)).toMatchObject({ status: "succeeded" });
    const params = { agent_id: agent.id };
    await owner.api.workspaces.archive({ params });
    await expect(lstat(homeOf(agent))).rejects.toThrow("ENOENT");
    expect(await readFile(join(outside, "file"), "utf8")).toBe("stays");
    await owner.api.workspaces.restore({ params });
    expect((await run(agent, "ls -A ~")).text).toBe("");
    await owner.api.agents.delete({ params });
    expect(await readdir(join(homeOf(agent), ".."))).not.toContain(agent.id);
    await rm(outside, { recursive: true });
  });
});

describe.skipIf(!isRoot)("the owner of a home", () => {
  test("changes with the uid, links excepted", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "omoi-homes-"));
    const outside = join(dataDir, "outside");
    await writeFile(outside, "");
    const deps = { storage: storageIn(dataDir) };
    const home = await openHome(deps, ["org", "agent"], 60_001);
    await writeFile(join(home, "file"), "");
    await symlink(outside, join(home, "link"));
    const owners = async () =>
      Promise.all(["", "file", "link"].map(async (name) => (await lstat(join(home, name))).uid));
    // An interrupted change leaves the home itself to its former owner.
    expect(await owners()).toEqual([60_001, 0, 0]);
    await openHome(deps, ["org", "agent"], 60_002);
    expect(await owners()).toEqual([60_002, 60_002, 60_002]);
    expect((await lstat(outside)).uid).toBe(0);
    await removeHome(deps, ["org", "agent"]);
    await expect(lstat(home)).rejects.toThrow("ENOENT");
    await rm(dataDir, { recursive: true });
  });
});
