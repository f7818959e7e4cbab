import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { MergeDriver } from "#shared/code/merge-drivers.js";
import type { Merge } from "#shared/api/code/merges.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { makeDiverged, setDrivers } from "#test/support/fixtures/merge-drivers.js";
import { listDeps, lockSides, regenerateBy } from "#test/support/fixtures/regenerate.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { verifyMerges } from "./verify-merges.js";

describe("the driver regenerate", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  beforeAll(async () => {
    const limits = { OMOI_RUN_DISK_MIB: "64", OMOI_RUN_PROCESSES: "64", OMOI_RUN_OUTPUT_MIB: "1" };
    app = await startTestApp(
      { OMOI_RUN_STOP_GRACE_SECONDS: "1", OMOI_LOG_LEVEL: "error", ...limits },
      "real",
    );
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());

  type Sides = Parameters<typeof makeDiverged>[2];
  const diverged = (drivers: MergeDriver | MergeDriver[], files: Sides = lockSides) =>
    makeDiverged(owner, orgId, files, [drivers].flat());
  const show = async (project: Project, path = "deps.lock") =>
    `${await gitInRepository(app, project, "show", `main:${path}`)}\n`;
  const commands = (project: Project) =>
    queryAsOwner<{ status: string; run_id: string }>(
      app,
      "select status, run_id from commit_checks where project_id = $1 order by id",
      [project.id],
    );
  const statuses = async (project: Project) => (await commands(project)).map((row) => row.status);
  const logOf = async (merge: Merge): Promise<string> => {
    const answer = await fetch(`${app.url}/api/v1/runs/${merge.driver_files[0]?.run_id}/logs`, {
      headers: { authorization: `Bearer ${owner.token}` },
    });
    return answer.text();
  };
  const faults = async () => {
    const reports = await app.db.withSystem("verify merges", (db) =>
      verifyMerges(db, storageIn(app.dataDir), app.db.node.id),
    );
    return reports.flatMap((report) => report.faults);
  };

  test("takes the file from a command that runs on the merged files", async () => {
    const script = `cat deps.lock; env | grep OMOI_; ${listDeps}; touch more deps/more`;
    const driver = regenerateBy(script);
    const { project, workspace, params } = await diverged(driver);
    const body = { act: "merge" } as const;
    const { data: before } = await owner.api.previews.create({ params, body });
    expect(before.conflicts).toEqual([]);
    expect(before.driver_files).toEqual([
      {
        path: "deps.lock",
        driver: "regenerate",
        result: "pending",
        reason: null,
        command: driver.command,
        run_id: null,
      },
    ]);
    expect(await commands(project)).toEqual([]);
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge).toMatchObject({ status: "clean", resolutions: [] });
    expect(merge.driver_files).toMatchObject([{ result: "merged", command: driver.command }]);
    expect(await show(project)).toBe("a\nb\nc\n");
    const files = await gitInRepository(app, project, "ls-tree", "-r", "--name-only", "main");
    expect(files.split("\n")).toEqual(["deps.lock", "deps/a", "deps/b", "deps/c"]);
    // It began with the target's version, and got no token.
    const run_id = (await commands(project))[0]?.run_id;
    expect((await logOf(merge)).split("\n").toSorted().filter(Boolean)).toEqual([
      `OMOI_PATHS=deps.lock`,
      `OMOI_RUN_ID=${run_id}`,
      "a",
      "b",
      "listed",
    ]);
    const { data: run } = await owner.api.runs.get({ params: { run_id: run_id as string } });
    expect(run).toMatchObject({ kind: "check", status: "succeeded", network: "none" });
  });

  test("lets npm write package-lock.json for a package.json whose data were merged", async () => {
    const npm = "npm install --package-lock-only --ignore-scripts --offline --no-audit --no-fund";
    /** A package with local dependencies, and a lock file as either side would have written it. */
    const withPackages = (...names: string[]): Record<string, string> => {
      const dependencies = Object.fromEntries(names.map((name) => [name, `file:packages/${name}`]));
      const root = { name: "app", version: "1.0.0", dependencies };
      return {
        "package.json": `${JSON.stringify(root, null, 2)}\n`,
        "package-lock.json": `${JSON.stringify({ ...root, lockfileVersion: 3, requires: true, packages: { "": root } }, null, 2)}\n`,
        ...Object.fromEntries(
          names.map((name) => [
            `packages/${name}/package.json`,
            `${JSON.stringify({ name, version: "1.0.0" })}\n`,
          ]),
        ),
      };
    };
    const drivers: MergeDriver[] = [
      { ...regenerateBy(""), pattern: "package-lock.json", command: npm.split(" ") },
      { pattern: "package.json", driver: "json" },
    ];
    const { project, workspace } = await diverged(drivers, {
      base: withPackages("a"),
      target: withPackages("a", "b"),
      source: withPackages("a", "c"),
    });
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files.map(({ path, result }) => [path, result])).toEqual([
      ["package-lock.json", "merged"],
      ["package.json", "merged"],
    ]);
    const locked = JSON.parse(await show(project, "package-lock.json")) as {
      packages: Record<string, object>;
    };
    expect(Object.keys(locked.packages)).toEqual([
      "",
      ...["a", "b", "c"].map((name) => `node_modules/${name}`),
      ...["a", "b", "c"].map((name) => `packages/${name}`),
    ]);
    expect(await faults()).toEqual([]);
  });

  test("runs a command once for the same files, and verifies by the recorded result", async () => {
    const { project, workspace, params } = await diverged(
      regenerateBy(`${listDeps}; date +%N >> deps.lock`),
    );
    const { data: sync } = await owner.api.workspaces.sync({ params });
    expect(sync.driver_files).toMatchObject([{ result: "merged" }]);
    const [first] = await commands(project);
    // The other direction has the other side's version before.
    const content = await gitInRepository(
      app,
      project,
      "show",
      `${workspace.branch_name}:deps.lock`,
    );
    await mergeIntoBase(owner, workspace);
    expect(await show(project)).toBe(`${content}\n`);
    expect(await commands(project)).toEqual([first]);
    await setDrivers(owner, project, []);
    expect(await faults()).toEqual([]);
    const [row] = await queryAsOwner<{ drivers: { regenerated: object[] } }>(
      app,
      "select drivers from merges where id = $1",
      [sync.id],
    );
    expect(row?.drivers.regenerated).toMatchObject([{ path: "deps.lock", run_id: first?.run_id }]);
    // Without the record, the merge is another one.
    const drivers = JSON.stringify({ ...row?.drivers, regenerated: [] });
    const update = "update merges set drivers = $2 where id = $1";
    await queryAsOwner(app, update, [sync.id, drivers]);
    expect((await faults()).map(({ id }) => id)).toEqual([sync.id]);
    await queryAsOwner(app, update, [sync.id, JSON.stringify(row?.drivers)]);
  });

  test("regenerates all files of a command at once, and keeps their modes", async () => {
    const script =
      'test "$OMOI_PATHS" = "deps.lock\nx/deps.lock" && for f in $OMOI_PATHS; do ls deps > $f; done';
    const { project, workspace } = await diverged(regenerateBy(script), {
      base: { ...lockSides.base, "x/deps.lock": "1\n2\n3\n4\n5\n" },
      target: { ...lockSides.target, "x/deps.lock": "T\n2\n3\n4\n5\n" },
      source: { ...lockSides.source, "x/deps.lock": "1\n2\n3\n4\nS\n" },
    });
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files.map(({ path, result }) => [path, result])).toEqual([
      ["deps.lock", "merged"],
      // git alone would have merged its lines.
      ["x/deps.lock", "merged"],
    ]);
    expect(await show(project, "x/deps.lock")).toBe("a\nb\nc\n");
    expect(await statuses(project)).toEqual(["passed"]);
    const modes = await gitInRepository(app, project, "ls-tree", "-r", "main", "x/deps.lock");
    expect(modes).toMatch(/^100644 blob/);
  });

  test.each([
    ["fails", "echo why; exit 3", {}, "Its command exited with code 3."],
    [
      "does not exist",
      "no-such-program",
      {},
      "Its command exited with code 127: a program was not found in the sandbox.",
    ],
    [
      "is no program",
      "exec /",
      {},
      "Its command exited with code 126: a program could not be executed.",
    ],
    ["never ends", "sleep 1000", { timeout_seconds: 1 }, "It exceeded its timeout of 1 seconds."],
    ["never stops writing", "yes", { timeout_seconds: 2 }, "It exceeded its timeout of 2 seconds."],
    ["removes it", "rm deps.lock", {}, "The command removed deps.lock."],
    [
      "replaces it by a link",
      "ln -sf /etc/shadow deps.lock",
      {},
      "The command replaced deps.lock by a symbolic link.",
    ],
    [
      "replaces it by a folder",
      "rm deps.lock; mkdir deps.lock; touch deps.lock/a",
      {},
      "The command replaced deps.lock by a folder.",
    ],
    [
      "replaces it by a named pipe",
      "rm deps.lock; mkfifo deps.lock",
      {},
      "The command replaced deps.lock by a named pipe.",
    ],
    [
      "makes it too large",
      "head -c 17M /dev/zero > deps.lock",
      {},
      "The new deps.lock is larger than 16 MiB.",
    ],
    [
      "leaves conflict markers",
      "printf '<<<<<<< a\\n1\\n=======\\n2\\n>>>>>>> b\\n' > deps.lock",
      {},
      "The new deps.lock has conflict markers.",
    ],
  ])("a command that %s leaves a conflict with its reason", async (_case, script, more, reason) => {
    const { project, workspace } = await diverged(regenerateBy(script, more));
    const merge = await mergeIntoBase(owner, workspace);
    expect(merge.driver_files).toMatchObject([{ path: "deps.lock", result: "conflict", reason }]);
    expect(merge.resolutions).toMatchObject([{ paths: ["deps.lock"], winner: "source" }]);
    expect(merge.resolutions[0]?.rule).toContain(`regenerate: ${reason} newest_file_wins: `);
    expect(await show(project)).toBe(lockSides.source["deps.lock"]);
    if (script.startsWith("echo")) expect(await logOf(merge)).toBe("why\n");
    expect(await statuses(project)).toEqual(["failed"]);
  });

  test("an active API key in the file is refused", async () => {
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "leaked" } });
    const half = (key.key as string).length / 2;
    const [one, other] = [key.key?.slice(0, half), key.key?.slice(half)];
    const { workspace } = await diverged(
      regenerateBy(`printf '\\n%s%s' ${one} ${other} > deps.lock`),
    );
    const { driver_files } = await mergeIntoBase(owner, workspace);
    const reason = "The new deps.lock contains an active API key in line 2.";
    expect(driver_files).toMatchObject([{ result: "conflict", reason }]);
  });

  test("a link on the way to the file is not followed", async () => {
    const script = "rm -r x; ln -s /etc x; rm -r y; mkdir y; cp deps/a y/deps.lock";
    const { workspace } = await diverged(regenerateBy(script), {
      base: { "x/deps.lock": "1\n", "deps/a": "1\n" },
      target: { "x/deps.lock": "2\n", "y/b": "1\n" },
      source: { "x/deps.lock": "3\n" },
    });
    const { driver_files } = await mergeIntoBase(owner, workspace);
    expect(driver_files).toMatchObject([
      { path: "x/deps.lock", result: "conflict", reason: "The command removed x/deps.lock." },
    ]);
  });

  test.each([
    ["forks without end", "bomb() { bomb | bomb & }; bomb; wait; exit 1"],
    ["writes 1 GB", "head -c 1000000000 /dev/zero > big && exit 1"],
    ["writes 100 MB into it", "head -c 100000000 /dev/zero > deps.lock"],
    ["leaves processes behind", "(sleep 2; echo late >> deps.lock) & exit 1"],
  ])(
    "a command that %s ends within its limits",
    async (_case, script) => {
      const { project, workspace } = await diverged(regenerateBy(script, { timeout_seconds: 20 }));
      const merge = await mergeIntoBase(owner, workspace);
      expect(merge.driver_files).toMatchObject([{ result: "conflict" }]);
      expect(await statuses(project)).toEqual(["failed"]);
    },
    60_000,
  );

  test("a failed command runs again for the next request, and then its result is used", async () => {
    // Nothing of one run is left for the next, so that the driver changes in between.
    const { project, params } = await diverged(regenerateBy("exit 1"));
    const body = { strategy: "manual" } as const;
    const refused = await expectProblem(
      owner.api.workspaces.createMerge({ params, body }),
      409,
      "merge_conflict",
    );
    expect(refused.detail).toContain("deps.lock: regenerate: Its command exited with code 1.");
    expect(refused).toMatchObject({ conflicts: [{ paths: ["deps.lock"], kind: "modify/modify" }] });
    const shown = await owner.api.previews.create({ params, body: { act: "merge", ...body } });
    expect(shown.data.conflicts).toMatchObject([
      { paths: ["deps.lock"], decision: null, regenerated_by: null },
    ]);
    await expectProblem(owner.api.workspaces.createMerge({ params, body }), 409, "merge_conflict");
    expect(await statuses(project)).toEqual(["failed", "failed"]);
    const resolutions = [{ path: "deps.lock", content: "by hand\n" }];
    const { data: merge } = await owner.api.workspaces.createMerge({
      params,
      body: { resolutions },
    });
    expect(merge.driver_files).toMatchObject([
      { result: "conflict", reason: "It was resolved by hand." },
    ]);
    expect(await show(project)).toBe("by hand\n");
    expect(await statuses(project)).toEqual(["failed", "failed"]);
    expect(await faults()).toEqual([]);
  });

  test("runs after the other conflicts are decided, by hand or by the strategy", async () => {
    const files = {
      base: { ...lockSides.base, "deps/x": "0\n" },
      target: { ...lockSides.target, "deps/x": "target\n" },
      source: { ...lockSides.source, "deps/x": "source\n" },
    };
    const driver = regenerateBy("cat deps/* > deps.lock");
    const byStrategy = await diverged(driver, files);
    const first = await mergeIntoBase(owner, byStrategy.workspace);
    expect(first.conflicts_resolved).toEqual(["deps/x"]);
    expect(await show(byStrategy.project)).toBe("1\n1\n1\nsource\n");

    const { project, params } = await diverged(driver, files);
    const act = { act: "merge", strategy: "manual" } as const;
    const { data: open } = await owner.api.previews.create({ params, body: act });
    expect(open.conflicts.map(({ paths, regenerated_by }) => [paths, regenerated_by])).toEqual([
      [["deps.lock"], driver.command],
      [["deps/x"], null],
    ]);
    expect(open.driver_files).toMatchObject([{ result: "pending" }]);
    const refused = await expectProblem(
      owner.api.workspaces.createMerge({ params, body: { strategy: "manual" } }),
      409,
      "merge_conflict",
    );
    expect(refused).toMatchObject({ conflicts: [{ paths: ["deps/x"] }] });
    expect(await commands(project)).toEqual([]);
    const resolutions = [{ path: "deps/x", content: "merged\n" }];
    const { data: seen } = await owner.api.previews.create({
      params,
      body: { ...act, resolutions },
    });
    expect(seen.conflicts.map(({ decision }) => decision?.winner)).toEqual([undefined, "merged"]);
    await owner.api.workspaces.createMerge({ params, body: { resolutions } });
    expect(await show(project)).toBe("1\n1\n1\nmerged\n");
    expect(await faults()).toEqual([]);
  });

  test("a merge is restored, and reverted by the command", async () => {
    const { project, workspace, params } = await diverged(regenerateBy("exit 1"));
    const merge = await mergeIntoBase(owner, workspace);
    const mergeParams = { ...params, merge_id: merge.id as string };
    await owner.api.workspaces.restoreVersion({
      params: mergeParams,
      body: { paths: ["deps.lock"] },
    });
    expect(await show(project)).toBe(lockSides.target["deps.lock"]);

    await setDrivers(owner, project, [regenerateBy(listDeps)]);
    const { workspace: later } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, later, { "deps/d": "1\n", "deps.lock": "a\nb\nd\n" });
    await mergeIntoBase(owner, later);
    const { data: reverted } = await owner.api.workspaces.revertMerge({ params: mergeParams });
    expect(reverted.driver_files.map(({ result }) => result)).toEqual(["merged"]);
    expect(await show(project)).toBe("a\nb\nd\n");
    expect(await faults()).toEqual([]);
  });

  test("runs again if the target moves meanwhile, and others do not wait for it", async () => {
    const { project, workspace } = await diverged(regenerateBy(`sleep 3; ${listDeps}`));
    const { workspace: other } = await makeWorkspace(owner, project.id);
    await commitFiles(owner, other, { "deps/d": "1\n" });
    const merging = mergeIntoBase(owner, workspace);
    await expect.poll(() => statuses(project)).toEqual(["running"]);
    const quick = await mergeIntoBase(owner, other);
    expect(await statuses(project)).toEqual(["running"]);
    const merge = await merging;
    expect(await show(project)).toBe("a\nb\nc\nd\n");
    expect(await statuses(project)).toEqual(["passed", "passed"]);
    const parents = await gitInRepository(app, project, "rev-parse", "main^1");
    expect(parents).toBe(quick.merge_commit_sha);
    expect(merge.driver_files).toMatchObject([{ result: "merged" }]);
  });

  test("two requests for the same files share one run", async () => {
    const { project, workspace, params } = await diverged(regenerateBy(`sleep 2; ${listDeps}`));
    const both = await Promise.all([
      mergeIntoBase(owner, workspace),
      owner.api.workspaces.createMerge({ params }),
    ]);
    expect(both).toHaveLength(2);
    expect(await statuses(project)).toEqual(["passed"]);
  });

  test("a request is answered by a process that does not run its command", async () => {
    const sibling = await app.sibling();
    try {
      const apis = [owner.api, sibling.client(owner.token)];
      const made = [];
      for (const api of [...apis, ...apis]) {
        made.push({ api, ...(await diverged(regenerateBy(listDeps))) });
      }
      await Promise.all(made.map(({ api, params }) => api.workspaces.createMerge({ params })));
      for (const { project } of made) {
        expect(await show(project)).toBe("a\nb\nc\n");
        expect(await statuses(project)).toEqual(["passed"]);
      }
    } finally {
      await sibling.close();
    }
  });

  test("a request does not wait until its organization has hours again", async () => {
    const { id } = await makeOrganization(owner);
    const made = await makeDiverged(owner, id, lockSides, [regenerateBy(listDeps)]);
    const setHours = (hours: number) =>
      queryAsOwner(app, "update organizations set max_agent_runtime_hours = $2 where id = $1", [
        id,
        hours,
      ]);
    await setHours(0);
    const { params } = made;
    const refused = await expectProblem(
      owner.api.workspaces.createMerge({ params }),
      503,
      "unavailable",
    );
    expect(refused.detail).toContain("hours of this month are used up");
    expect(await statuses(made.project)).toEqual(["cancelled"]);
    await setHours(1);
    await owner.api.workspaces.createMerge({ params });
    expect(await show(made.project)).toBe("a\nb\nc\n");
  });

  test("a request that is canceled stops its command", async () => {
    const { project, params } = await diverged(regenerateBy("sleep 50"));
    const controller = new AbortController();
    const url = `${app.url}/api/v1/agents/${params.agent_id}/workspace/merges`;
    const merging = fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${owner.token}` },
      signal: controller.signal,
    });
    await expect.poll(() => statuses(project)).toEqual(["running"]);
    controller.abort();
    await expect(merging).rejects.toThrow();
    await expect.poll(() => statuses(project)).toEqual(["cancelled"]);
    const run_id = (await commands(project))[0]?.run_id as string;
    const run = async () => (await owner.api.runs.get({ params: { run_id } })).data.status;
    await expect.poll(run).toBe("stopped");
    await pause(1000);
    expect(await statuses(project)).toEqual(["cancelled"]);
  });

  test("the radar predicts no conflict of the file", async () => {
    const { params } = await diverged(regenerateBy(listDeps));
    await expect
      .poll(async () => (await owner.api.radar.workspace({ params })).data.is_current)
      .toBe(true);
    const { pairs } = (await owner.api.radar.workspace({ params })).data;
    expect(pairs.flatMap(({ conflicts }) => conflicts)).toEqual([]);
  });

  test("its settings are validated", async () => {
    const { project } = await diverged([]);
    const set = (driver: object) =>
      owner.api.projects.update({
        params: { project_id: project.id },
        body: { merge_drivers: [{ pattern: "a", driver: "regenerate", ...driver } as never] },
      });
    for (const driver of [
      {},
      { command: [] },
      { command: ["a"], timeout_seconds: 301 },
      { command: ["a"], timeout_seconds: 0 },
      { command: ["a"], network: "some" },
      { command: ["a"], driver: "json" },
    ]) {
      await expectProblem(set(driver), 422, "validation_failed");
    }
    const { data } = await set({ command: ["a"] });
    expect(data.merge_drivers).toEqual([
      { pattern: "a", driver: "regenerate", command: ["a"], network: "none", timeout_seconds: 120 },
    ]);
  });
});
