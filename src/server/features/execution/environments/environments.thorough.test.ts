import { readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { EnvironmentBuild, NewEnvironment } from "#shared/api/execution/environments.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { copyEnvironment } from "#git/worktree/environment-layer.js";
import { storageIn } from "../../../data-folder/storage.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeAgent,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { describeEachDriver } from "#test/support/git/folder-drivers.js";
import { shell, waitForRun, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { send } from "#test/support/http/raw-request.js";

/** Leaves a package, a note that git does not ignore, and a changed file. */
const install = `mkdir -p node_modules/pkg
cp lock.txt node_modules/pkg/index.js
ln -s pkg node_modules/link
echo note > note.txt
echo changed > a.txt`;

describeEachDriver("environments", (driver) => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  beforeAll(async () => {
    app = await startTestApp(
      {
        OMOI_FOLDER_DRIVER: driver,
        OMOI_RUN_STOP_GRACE_SECONDS: "1",
        OMOI_RUN_DISK_MIB: "100",
      },
      "real",
    );
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, {
      ".gitignore": "node_modules/\nbuild/\n",
      "a.txt": "a\n",
      "lock.txt": "one\n",
    });
  });
  afterAll(() => app.close());

  const set = async (body: Partial<NewEnvironment>, project_id = project.id) =>
    (await owner.api.environments.set({ params: { project_id }, body })).data;
  const get = async () =>
    (await owner.api.environments.get({ params: { project_id: project.id } })).data;
  const builds = async (project_id = project.id): Promise<EnvironmentBuild[]> =>
    (await owner.api.environments.builds({ params: { project_id }, query: {} })).data;
  /** Waits until no build is under way. Returns the newest. */
  const untilBuilt = async (): Promise<EnvironmentBuild> => {
    await expect
      .poll(async () => (await builds()).every(({ ended_at }) => ended_at !== null), {
        interval: 50,
      })
      .toBe(true);
    return (await builds())[0] as EnvironmentBuild;
  };
  const start = async (agent_id: string, script: string): Promise<Run> =>
    (await owner.api.runs.create({ params: { agent_id }, body: { command: shell(script) } })).data;
  const finish = async (agent_id: string, script: string): Promise<Run> =>
    waitForRunEnd(owner, (await start(agent_id, script)).id);
  const logOf = async (runId: string): Promise<string> =>
    (await send(app, "GET", `/api/v1/runs/${runId}/logs`, { token: owner.token })).text;
  /** A workspace with its layer: a checkout gets it by its first run. */
  const makeWithLayer = async (project_id = project.id) => {
    const made = await makeWorkspace(owner, project_id);
    if (driver === "checkout") await finish(made.agent.id, "true");
    return made;
  };
  const read = (workspace: Workspace, path: string): Promise<string | null> =>
    readFile(join(folderOf(workspace), path), "utf8").catch(() => null);
  const withLock = { setup_script: install, cache_key_files: ["**/lock.txt"] };
  const layers = async (): Promise<string[]> =>
    readdir(storageIn(app.dataDir).projectEnvironments(org.id, project.id)).catch(() => []);

  test("what the script leaves and git ignores is below new workspaces, and nothing else", async () => {
    await set({ ...withLock, setup_script: `${install}\necho "in the log"` });
    const build = await untilBuilt();
    expect(build).toMatchObject({ status: "succeeded", detail: null, left_out: ["note.txt"] });
    expect(build.layer_bytes).toBeGreaterThan(0);
    const { data: run } = await owner.api.runs.get({ params: { run_id: build.run_id as string } });
    expect(run).toMatchObject({
      kind: "build",
      agent_id: null,
      status: "succeeded",
      network: "none",
    });
    expect(await logOf(run.id)).toContain("in the log");
    expect(await get()).toMatchObject({ last_good_build_id: build.id, problem: null });

    const { agent, workspace } = await makeWithLayer();
    expect(await read(workspace, "node_modules/link/index.js")).toBe("one\n");
    expect([await read(workspace, "note.txt"), await read(workspace, "a.txt")]).toEqual([
      null,
      "a\n",
    ]);
    const other = await makeWithLayer();
    const script = `echo mine > node_modules/pkg/index.js; rm node_modules/link
      mkdir node_modules/new; echo b > b.txt; git status --porcelain`;
    const ended = await finish(agent.id, script);
    expect(ended.status).toBe("succeeded");
    expect((await logOf(ended.id)).trim()).toBe("?? b.txt");
    const { data: commits } = await owner.api.workspaces.commits({
      params: { agent_id: agent.id },
      query: {},
    });
    expect(commits.map(({ files_changed }) => files_changed)).toEqual([1]);
    expect(await read(workspace, "node_modules/pkg/index.js")).toBe("mine\n");
    // Its own copy: the layer and other workspaces keep theirs.
    expect(await read(other.workspace, "node_modules/link/index.js")).toBe("one\n");
    expect(await builds()).toHaveLength(1);
  });

  test("another content of a key file is built once, and a run waits for it", async () => {
    await set({ ...withLock, setup_script: `until [ -e go ]; do sleep 0.05; done\n${install}` });
    const first = (await builds())[0] as EnvironmentBuild;
    const storage = storageIn(app.dataDir);
    const release = async (build: EnvironmentBuild): Promise<void> => {
      await expect
        .poll(async () => (await builds()).find(({ id }) => id === build.id)?.status)
        .toBe("running");
      const { run_id } = (await builds()).find(({ id }) => id === build.id) as EnvironmentBuild;
      await waitForRun(owner, run_id as string, ({ status }) => status === "running");
      await expect
        .poll(() =>
          writeFile(join(storage.check(org.id, run_id as string), "go"), "").then(
            () => "written",
            () => "not there",
          ),
        )
        .toBe("written");
    };
    await release(first);
    expect(await untilBuilt()).toMatchObject({ id: first.id, status: "succeeded" });
    const { agent, workspace } = await makeWithLayer();
    // The first run adds the layer if the new folder was busy.
    expect((await finish(agent.id, "true")).status).toBe("succeeded");
    expect(await read(workspace, "node_modules/pkg/index.js")).toBe("one\n");
    await commitFiles(owner, workspace, { "sub/lock.txt": "two\n", "lock.txt": "two\n" });
    await mergeIntoBase(owner, workspace);

    const made = await Promise.all(
      Array.from({ length: 4 }, () => makeWorkspace(owner, project.id)),
    );
    const [second, ...others] = (await builds()).filter(({ id }) => id !== first.id);
    expect(others).toEqual([]);
    expect(second?.key).not.toBe(first.key);
    const runs = await Promise.all(
      made.map(({ agent }) => start(agent.id, "cat node_modules/pkg/index.js")),
    );
    for (const run of runs) {
      expect(run).toMatchObject({
        status: "queued",
        detail: "Waiting for the project's environment to be built.",
      });
    }
    await release(second as EnvironmentBuild);
    for (const { id } of runs) {
      expect((await waitForRunEnd(owner, id)).status).toBe("succeeded");
      expect((await logOf(id)).trim()).toBe("two");
    }
    expect(await builds()).toHaveLength(2);
    // The other one keeps what it had.
    expect(await read(workspace, "node_modules/pkg/index.js")).toBe("one\n");
  });

  test("a failed build says why, and the last good layer stays in use", async () => {
    await set({ setup_script: "echo before; exit 3" });
    const failed = await untilBuilt();
    expect(failed).toMatchObject({ status: "failed", layer_bytes: null });
    expect(failed.detail).toContain("code 3");
    expect((await get()).problem).toContain("New workspaces get no layer.");
    const without = await makeWorkspace(owner, project.id);
    const lacking = await finish(without.agent.id, "test ! -e node_modules");
    expect(lacking.status).toBe("succeeded");
    expect(await logOf(lacking.id)).toBe(
      `The run has no environment: build ${failed.id} failed. ${failed.detail} Read its log: omoi logs ${failed.run_id}\n\n`,
    );
    expect(await logOf(failed.run_id as string)).toContain("before");

    await set(withLock);
    const good = await untilBuilt();
    await set({ ...withLock, setup_script: "exit 4" });
    expect((await untilBuilt()).status).toBe("failed");
    expect(await get()).toMatchObject({
      last_good_build_id: good.id,
      problem: expect.stringMatching(/code 4.*New workspaces get the layer of 20.* UTC instead\.$/),
    });
    const { agent, workspace } = await makeWithLayer();
    expect(await read(workspace, "node_modules/pkg/index.js")).toBe("one\n");
    expect(await logOf((await finish(agent.id, "true")).id)).toBe("");
  });

  test("a script that fills the disk is stopped, and leaves nothing", async () => {
    const write = "for nth in 1 2 3 4; do head -c 50M /dev/zero > build/$nth; done";
    for (const [script, detail] of [
      // The limit of a file or of the disk, whichever is noticed first.
      [
        "head -c 200M /dev/zero > build/big",
        /larger than the disk limit|exceeded the disk limit of 100 MiB/,
      ],
      [write, /^Its workspace and home exceeded the disk limit of 100 MiB\.$/],
    ] as const) {
      await set({ setup_script: `mkdir build; ${script}; sleep 30` });
      const full = await untilBuilt();
      expect(full).toMatchObject({ status: "failed", layer_bytes: null });
      expect(full.detail).toMatch(detail);
    }
    expect(await layers()).toEqual([]);
    expect(await readdir(storageIn(app.dataDir).checks + "/" + org.id)).toEqual([]);
  }, 120_000);

  test("npm installs packages once for all workspaces", async () => {
    const pack = { name: "greeting", version: "1.0.0", main: "index.js" };
    const own = { name: "app", version: "1.0.0", dependencies: { greeting: "file:./greeting" } };
    const { workspace } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, workspace, {
      "package.json": JSON.stringify(own),
      "greeting/package.json": JSON.stringify(pack),
      "greeting/index.js": 'module.exports = "hello";\n',
    });
    await mergeIntoBase(owner, workspace);
    const npm = "npm install --offline --no-audit --no-fund --no-save";
    await set({ setup_script: npm, cache_key_files: ["package.json"] });
    expect(await untilBuilt()).toMatchObject({ status: "succeeded", left_out: [] });
    const { agent } = await makeWithLayer();
    const command = ["node", "-p", "require('greeting')"];
    const params = { agent_id: agent.id };
    const { data } = await owner.api.runs.create({ params, body: { command } });
    expect((await waitForRunEnd(owner, data.id)).status).toBe("succeeded");
    expect(await logOf(data.id)).toContain("hello");
  });

  test("variables reach the script and runs, and secrets win over them", async () => {
    const params = { project_id: project.id, name: "TOKEN" };
    const body = { value: "a value of the secret", kind: "variable" } as const;
    await owner.api.projectSecrets.set({ params, body });
    await set({
      setup_script: 'mkdir node_modules; echo "$GREETING $TOKEN" | tee node_modules/said',
      variables: { GREETING: "hello", TOKEN: "of the environment" },
    });
    const build = await untilBuilt();
    expect((await logOf(build.run_id as string)).trim()).toBe("hello ***");
    const { agent, workspace } = await makeWithLayer();
    expect(await read(workspace, "node_modules/said")).toBe("hello a value of the secret\n");
    const run = await finish(agent.id, 'echo "$GREETING $TOKEN $OMOI_RUN_ID"');
    expect((await logOf(run.id)).trim()).toBe(`hello *** ${run.id}`);
  });

  test("values of secrets are masked in the names of files", async () => {
    const params = { project_id: project.id, name: "TOKEN" };
    const body = { value: "secret-value-of-it", kind: "variable" } as const;
    await owner.api.projectSecrets.set({ params, body });
    await set({ setup_script: ': > "a-$TOKEN.txt"; mkdir "$TOKEN"; : > "$TOKEN/b"; : > c.txt' });
    expect(await untilBuilt()).toMatchObject({
      status: "succeeded",
      left_out: ["a-***.txt", "c.txt", "***/"],
      left_out_count: 3,
    });
    expect(JSON.stringify(await builds())).not.toContain(body.value);
  });

  test("the hosts of the project are the default of runs, and their limit", async () => {
    await set({ allowed_hosts: ["*.example.com", "git.example.org:8443"] });
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const create = async (allowed_hosts?: string[]) => {
      const body = { command: ["true"], network: "restricted" as const };
      const { data } = await owner.api.runs.create({
        params,
        body: { ...body, ...(allowed_hosts && { allowed_hosts }) },
      });
      return waitForRunEnd(owner, data.id);
    };
    expect((await create()).allowed_hosts).toEqual(["*.example.com", "git.example.org:8443"]);
    for (const hosts of [
      ["a.example.com"],
      ["*.b.example.com:443"],
      ["git.example.org:8443"],
      [],
    ]) {
      expect((await create(hosts)).allowed_hosts).toEqual(hosts);
    }
    for (const host of ["example.com", "git.example.org", "*.org.uk", "a.example.com:8443"]) {
      const problem = await expectProblem(
        create(["a.example.com", host]),
        422,
        "validation_failed",
      );
      expect(problem.detail).toContain("project's environment does not allow");
    }
  });

  test("a link counts as its target's name, and is not followed", async () => {
    await set({ setup_script: "true", cache_key_files: ["link"] });
    const first = await untilBuilt();
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    await symlink("/etc/passwd", join(folderOf(workspace), "link"));
    await owner.api.workspaces.createCommit({
      params: { agent_id: agent.id },
      body: { commit_type: "manual" },
    });
    await mergeIntoBase(owner, workspace);
    await makeWorkspace(owner, project.id);
    const second = await untilBuilt();
    expect([second.status, second.key === first.key]).toEqual(["succeeded", false]);
  });

  test("a build under way is answered instead of a second one, and a good one is repeated", async () => {
    const params = { project_id: project.id };
    await expectProblem(owner.api.environments.build({ params }), 409, "no_setup_script");
    await set({ setup_script: "sleep 1; mkdir node_modules" });
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => owner.api.environments.build({ params })),
    );
    expect(new Set(answers.map(({ data }) => data.id)).size).toBe(1);
    const first = await untilBuilt();
    const { data: again } = await owner.api.environments.build({ params });
    expect(again.id).not.toBe(first.id);
    expect(await untilBuilt()).toMatchObject({ id: again.id, status: "succeeded", key: first.key });
  });

  test("layers are removed when neither the project nor a workspace needs them", async () => {
    await set({ setup_script: "mkdir node_modules; echo 1 > node_modules/a" });
    const first = await untilBuilt();
    const { agent, workspace } = await makeWithLayer();
    for (let round = 2; round <= 5; round += 1) {
      await set({ setup_script: `mkdir node_modules; echo ${round} > node_modules/a` });
      expect((await untilBuilt()).status).toBe("succeeded");
    }
    const kept = (await builds()).filter(({ layer_bytes }) => layer_bytes !== null);
    expect(kept).toHaveLength(3);
    const expected = new Set(kept.map(({ run_id }) => run_id));
    if (driver === "overlay") expected.add(first.run_id);
    await expect.poll(async () => new Set(await layers())).toEqual(expected);
    expect(await read(workspace, "node_modules/a")).toBe("1\n");
    await owner.api.workspaces.archive({ params: { agent_id: agent.id } });
    expected.delete(first.run_id);
    await expect.poll(async () => new Set(await layers())).toEqual(expected);
    // A restored workspace gets the newest layer.
    const { data: restored } = await owner.api.workspaces.restore({
      params: { agent_id: agent.id },
    });
    if (driver === "checkout") await finish(agent.id, "true");
    expect(await read(restored, "node_modules/a")).toBe("5\n");
    await owner.api.projects.delete({ params: { project_id: project.id } });
    await expect.poll(layers).toEqual([]);
  });

  test("special files and privileged bits are not kept", async () => {
    await set({
      setup_script: `mkdir node_modules; cd node_modules; mkfifo fifo; cp /bin/true tool
        chmod 6755 tool; ln -s /etc/passwd outside; mkdir closed; chmod 0 closed; : > -- -rf; printf x > "$(printf 'a\\nb\\377')"`,
    });
    expect(await untilBuilt()).toMatchObject({ status: "succeeded" });
    const { workspace } = await makeWithLayer();
    const folder = join(folderOf(workspace), "node_modules");
    expect((await readdir(folder)).length).toBe(5);
    expect((await stat(join(folder, "tool"))).mode & 0o7777).toBe(0o755);
    expect(await stat(join(folder, "fifo")).catch(() => null)).toBe(null);
  });

  test("a workspace without a layer yet gets it before its first run, and keeps its own files", async () => {
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const script = "mkdir node_modules build; echo layer | tee node_modules/a > build/a";
    await set({ setup_script: script });
    await untilBuilt();
    // Made before: it keeps what it has.
    expect((await finish(agent.id, "test ! -e build")).status).toBe("succeeded");
    await set({ setup_script: `sleep 1; ${script}` });
    const late = await makeWorkspace(owner, project.id);
    expect(await read(late.workspace, "build/a")).toBe(null);
    await writeFiles(late.workspace, { "node_modules/a": "own\n" });
    const run = await finish(late.agent.id, "cat node_modules/a build/a");
    expect((await logOf(run.id)).trim()).toBe("own\nlayer");
    expect(await read(workspace, "build/a")).toBe(null);
  });

  test.skipIf(driver === "checkout")(
    "a run does not mount the folder anew while a person's process works in it",
    async () => {
      await set({ setup_script: "sleep 1; mkdir build; echo layer > build/a" });
      const { agent, workspace } = await makeWorkspace(owner, project.id);
      await untilBuilt();
      const cwd = folderOf(workspace);
      const shell = spawn("sh", ["-c", "echo 1 > one; sleep 600; :"], { cwd, detached: true });
      const end = async (): Promise<void> => {
        const ended = once(shell, "exit");
        if (process.kill(-(shell.pid as number))) await ended;
      };
      try {
        await expect.poll(() => read(workspace, "one")).toBe("1\n");
        const problem = await expectProblem(start(agent.id, "true"), 503, "folder_unavailable");
        expect(problem.detail).toContain("such as a shell or an editor");
        expect(await read(workspace, "build/a")).toBe(null);
        await writeFiles(workspace, { two: "2\n" });
      } finally {
        await end();
      }
      const run = await finish(agent.id, "cat build/a one two");
      expect((await logOf(run.id)).trim()).toBe("layer\n1\n2");
    },
  );

  /** The builds that workspaces are recorded with. */
  const recorded = async (): Promise<Map<string, string | null>> => {
    const rows = await queryAsOwner<{ agent_id: string; run_id: string | null }>(
      app,
      `select w.agent_id, b.run_id from workspaces w
       left join environment_builds b on b.id = w.environment_build_id where w.project_id = $1`,
      [project.id],
    );
    return new Map(rows.map(({ agent_id, run_id }) => [agent_id, run_id]));
  };
  const named = 'mkdir build; echo "$OMOI_RUN_ID" > build/id';

  test("two processes that build one layer record the build whose files a workspace has", async () => {
    const sibling = await app.sibling();
    try {
      const { api } = owner;
      const other = sibling.client(owner.token);
      const params = { project_id: project.id };
      const made: Workspace[] = [];
      for (let round = 0; round < 4; round += 1) {
        const body = { setup_script: `${named}; : ${round}` };
        await Promise.all([api, other].map((item) => item.environments.set({ params, body })));
        const agents = await Promise.all([1, 2].map(() => makeAgent(owner, project.id)));
        // Builds end, and new ones begin, while workspaces choose theirs.
        await Promise.all([
          ...[api, other, api, other].map((item) => item.environments.build({ params })),
          ...[api, other].map(async (item, nth) => {
            const agent_id = agents[nth]?.id as string;
            made.push((await item.workspaces.create({ params: { agent_id } })).data);
            const again = item.environments.build({ params });
            const command = shell("cat build/id");
            const run = await item.runs.create({ params: { agent_id }, body: { command } });
            await again;
            expect((await waitForRunEnd(owner, run.data.id)).status).toBe("succeeded");
          }),
        ]);
        await untilBuilt();
      }
      const all = await builds();
      expect(all.every(({ status }) => status === "succeeded")).toBe(true);
      const builtBy = await recorded();
      for (const workspace of made) {
        const id = (await read(workspace, "build/id"))?.trim();
        expect([workspace.agent_id, id]).toEqual([
          workspace.agent_id,
          builtBy.get(workspace.agent_id),
        ]);
      }
    } finally {
      await sibling.close();
    }
  });

  test("a layer that was added without a record is the one of the workspace", async () => {
    await set({ setup_script: named });
    const first = await untilBuilt();
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const id = `${first.run_id}\n`;
    if (driver === "checkout") {
      // As after a kill while the files are copied: the choice is recorded before.
      const storage = storageIn(app.dataDir);
      const layer = storage.environmentLayer(org.id, project.id, first.run_id as string);
      await copyEnvironment(layer, folderOf(workspace), agent.id);
    } else {
      await queryAsOwner(
        app,
        `update workspaces set environment_state = null, environment_build_id = null
         where agent_id = $1`,
        [agent.id],
      );
    }
    expect(await read(workspace, "build/id")).toBe(id);
    await set({ setup_script: `${named}; : again` });
    expect((await untilBuilt()).id).not.toBe(first.id);
    const run = await finish(agent.id, "cat build/id");
    expect(await logOf(run.id)).toBe(id);
    expect((await recorded()).get(agent.id)).toBe(first.run_id);
  });

  test("hours of builds belong to the project", async () => {
    await set({ setup_script: "sleep 1" });
    await untilBuilt();
    const { data: usage } = await owner.api.usage.get({ params: { org_id: org.id } });
    expect(usage.runtime_hours.current).toBeGreaterThan(0);
    const period = new Date().toISOString().slice(0, 7);
    const { data: statement } = await owner.api.usage.statement({
      params: { org_id: org.id, period },
    });
    expect(statement).toMatchObject({ runs: 0, peak_concurrent_agents: 0 });
    expect(statement.by_agent).toEqual([
      expect.objectContaining({
        agent_id: null,
        agent_name: "Environment builds",
        project_id: project.id,
        runs: 0,
      }),
    ]);
  });

  test("a stopped build is canceled, and has no layer", async () => {
    await set({ setup_script: "sleep 600" });
    await expect.poll(async () => (await builds())[0]?.run_id ?? null).not.toBe(null);
    const run_id = (await builds())[0]?.run_id as string;
    // Its files are incomplete, so the status of the request does not matter.
    const body = { status: "succeeded" } as const;
    await owner.api.runs.stop({ params: { run_id }, body });
    expect(await untilBuilt()).toMatchObject({
      status: "cancelled",
      detail: expect.stringContaining("Stopped by"),
      layer_bytes: null,
    });
    expect((await get()).problem).toContain("The last build was canceled: Stopped by");
    const { data: audit } = await owner.api.audit.list({
      params: { org_id: org.id },
      query: { action: "run.stopped" },
    });
    expect(audit[0]?.target).toEqual({ type: "project", id: project.id, name: project.name });
  });

  test("branches have layers of their own", async () => {
    await set(withLock);
    const first = await untilBuilt();
    const { agent, workspace } = await makeWithLayer();
    // A branch that is not protected, with the same key files and other content.
    await commitFiles(owner, workspace, { "a.txt": "of the branch\n" });
    const params = { project_id: project.id };
    await gitInRepository(
      app,
      project,
      "update-ref",
      "refs/heads/dev",
      `refs/heads/${workspace.branch_name}`,
    );
    const other = await makeAgent(owner, project.id);
    const body = { base_branch: "dev" };
    await owner.api.workspaces.create({ params: { agent_id: other.id }, body });
    const second = await untilBuilt();
    expect(second).toMatchObject({ branch: "dev", status: "succeeded" });
    expect(second.key).not.toBe(first.key);
    expect((await get()).last_good_build_id).toBe(first.id);
    for (let round = 0; round < 4; round += 1) {
      await set({ ...withLock, setup_script: `${install}\n: ${round}` });
      await untilBuilt();
      const next = await makeAgent(owner, project.id);
      await owner.api.workspaces.create({ params: { agent_id: next.id }, body });
      await untilBuilt();
    }
    const kept = (await builds()).filter(({ layer_bytes }) => layer_bytes !== null);
    expect(kept.map(({ branch }) => branch).toSorted()).toEqual(["dev", "main", "main", "main"]);
    expect((await owner.api.environments.get({ params })).data.problem).toBe(null);
    expect(agent.id).not.toBe(other.id);
  });

  test("files that make git wait are removed, and rules of the script do not count", async () => {
    await set({
      setup_script: `mkdir -p trap/.git node_modules/x/.git other
        mkfifo trap/.git/HEAD node_modules/x/.git/HEAD other/.gitignore
        ln -s /dev/zero other/.git
        echo big/ >> .gitignore; mkdir big; echo 1 > big/1
        for i in $(seq 150); do : > file-$i; done`,
    });
    const build = await untilBuilt();
    expect(build).toMatchObject({ status: "succeeded", left_out_count: 151 });
    expect(build.left_out).toHaveLength(100);
    expect(build.left_out).toContain("big/");
    const { workspace } = await makeWithLayer();
    expect(await read(workspace, "big/1")).toBe(null);
    expect(await readdir(join(folderOf(workspace), "node_modules/x/.git"))).toEqual([]);
  });

  test("a layer never replaces files of the workspace, of whatever kind", async () => {
    const script =
      "mkdir -p node_modules/b build; echo layer | tee node_modules/a node_modules/b/c build/x";
    await set({ setup_script: `sleep 1; ${script}` });
    const { agent, workspace } = await makeWorkspace(owner, project.id);
    const folder = folderOf(workspace);
    await symlink("/nowhere", join(folder, "build"));
    await writeFiles(workspace, { "node_modules/b": "a file\n" });
    const run = await finish(agent.id, "cat node_modules/b; readlink build");
    expect((await logOf(run.id)).trim()).toBe("a file\n/nowhere");
    if (driver === "checkout") expect(await read(workspace, "node_modules/a")).toBe("layer\n");
    expect(
      (await readdir(dirname(folder))).filter((name) => name.endsWith(".environment")),
    ).toEqual([]);
  });

  test("a project whose layers are gone builds them again", async () => {
    await set(withLock);
    const first = await untilBuilt();
    const storage = storageIn(app.dataDir);
    await rm(storage.projectEnvironments(org.id, project.id), { recursive: true });
    const { agent } = await makeWorkspace(owner, project.id);
    const run = await finish(agent.id, "cat node_modules/pkg/index.js");
    expect((await logOf(run.id)).trim()).toBe("one");
    expect((await builds()).map(({ layer_bytes }) => layer_bytes === null)).toEqual([false, true]);
    expect((await builds())[1]?.id).toBe(first.id);
  });

  test("a build waits for an archived organization, and for its hours", async () => {
    await owner.api.organizations.update({
      params: { org_id: org.id },
      body: { max_agent_runtime_hours: 1 },
    });
    await queryAsOwner(app, "update organizations set max_agent_runtime_hours = 0 where id = $1", [
      org.id,
    ]);
    await set(withLock);
    await expect
      .poll(async () => (await builds())[0]?.detail)
      .toBe("Waiting: the organization's 0 hours of this month are used up.");
    await queryAsOwner(app, "update organizations set max_agent_runtime_hours = 9 where id = $1", [
      org.id,
    ]);
    expect((await untilBuilt()).status).toBe("succeeded");
    await set({ setup_script: "sleep 600" });
    await expect.poll(async () => (await builds())[0]?.status).toBe("running");
    await owner.api.organizations.archive({ params: { org_id: org.id } });
    await expect.poll(async () => (await builds())[0]?.status).toBe("queued");
    await owner.api.organizations.restore({ params: { org_id: org.id } });
    await expect.poll(async () => (await builds())[0]?.status).toBe("running");
    const run_id = (await builds())[0]?.run_id as string;
    await owner.api.runs.stop({ params: { run_id } });
  });

  test("a queued run does not start with hosts that the project no longer allows", async () => {
    await set({ allowed_hosts: ["a.example.com", "b.example.com"] });
    const { agent } = await makeWorkspace(owner, project.id);
    const params = { agent_id: agent.id };
    const first = await start(agent.id, "sleep 600");
    const body = { command: ["true"], network: "restricted" as const, queue: true };
    const { data: second } = await owner.api.runs.create({ params, body });
    expect(second.status).toBe("queued");
    await set({ allowed_hosts: ["a.example.com"] });
    await owner.api.runs.stop({ params: { run_id: first.id } });
    const ended = await waitForRunEnd(owner, second.id);
    expect(ended).toMatchObject({ status: "failed", started_at: null });
    expect(ended.detail).toContain("b.example.com, which the project's environment does not allow");
  });

  test("agents neither change an environment nor have theirs built", async () => {
    await set(withLock);
    const first = await untilBuilt();
    const { agent, workspace } = await makeWithLayer();
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "agent", organization_id: org.id, agent_id: agent.id },
    });
    const api = app.client(key.key as string);
    const params = { project_id: project.id };
    await queryAsOwner(
      app,
      `update memberships set role_id = (select id from roles where name = 'owner' and org_id is null)
       where agent_id = $1`,
      [agent.id],
    );
    expect((await api.environments.get({ params })).data.setup_script).toBe(install);
    const ofBuild = { run_id: first.run_id as string };
    await expectProblem(api.runs.get({ params: ofBuild }), 404, "not_found");
    await expectProblem(api.runs.stop({ params: ofBuild }), 404, "not_found");
    await expectProblem(api.environments.set({ params, body: {} }), 403, "insufficient_permission");
    await expectProblem(api.environments.build({ params }), 403, "insufficient_permission");

    await commitFiles(owner, workspace, { "lock.txt": "from the agent\n" });
    const child = await makeAgent(owner, project.id, agent.id);
    const { data: below } = await owner.api.workspaces.create({ params: { agent_id: child.id } });
    if (driver === "checkout") await finish(child.id, "true");
    expect(await read(below, "lock.txt")).toBe("from the agent\n");
    expect(await read(below, "node_modules/pkg/index.js")).toBe("one\n");
    expect((await builds()).map(({ id }) => id)).toEqual([first.id]);
  });

  test("bad input, strangers and viewers are refused", async () => {
    for (const body of [
      { setup_script: "x".repeat(65 * 1024) },
      { setup_script: "a\u0000b" },
      { cache_key_files: ["/etc/passwd"] },
      { cache_key_files: ["../x"] },
      { variables: { OMOI_TOKEN: "x" } },
      { allowed_hosts: ["10.0.0.1"] },
      { network: "full" },
      { other: 1 },
    ]) {
      await expectProblem(set(body as Partial<NewEnvironment>), 422, "validation_failed");
    }
    const stranger = await app.person("stranger");
    const params = { project_id: project.id };
    for (const call of [
      () => stranger.api.environments.get({ params }),
      () => stranger.api.environments.set({ params, body: {} }),
      () => stranger.api.environments.builds({ params, query: {} }),
      () => stranger.api.environments.build({ params }),
    ]) {
      await expectProblem(call(), 404, "not_found");
    }
    expect(await get()).toEqual({
      setup_script: "",
      cache_key_files: [],
      variables: {},
      allowed_hosts: null,
      network: "none",
      updated_at: null,
      last_good_build_id: null,
      problem: null,
    });
    await makeAgent(owner, project.id);
  });
});

test("an endless setup script ends at the timeout, and leaves nothing", async () => {
  const app = await startTestApp({ OMOI_RUN_TIMEOUT_SECONDS: "1" }, "real");
  try {
    const owner = await app.person("Ada");
    const org = await makeOrganization(owner);
    const { id } = await makeProjectWith(owner, org.id, { ".gitignore": "build/\n" });
    const params = { project_id: id };
    const setup_script = "mkdir build; echo 1 > build/one; while :; do sleep 1; done";
    await owner.api.environments.set({ params, body: { setup_script } });
    const newest = async (): Promise<EnvironmentBuild | undefined> =>
      (await owner.api.environments.builds({ params, query: {} })).data[0];
    await expect.poll(async () => (await newest())?.status, { interval: 50 }).toBe("failed");
    const build = await newest();
    expect(build).toMatchObject({ layer_bytes: null });
    expect(build?.detail).toContain("timeout of 1 second");
    const storage = storageIn(app.dataDir);
    expect(await readdir(storage.projectEnvironments(org.id, id)).catch(() => [])).toEqual([]);
    expect(await readdir(join(storage.checks, org.id))).toEqual([]);
  } finally {
    await app.close();
  }
});
