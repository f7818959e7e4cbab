import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Merge } from "#shared/api/code/merges.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { builtFile } from "#test/support/server/built-files.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import { queryAsOwner, databaseUrlOf } from "#test/support/database/queries.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { verifyMerges } from "./verify-merges.js";

async function verify(app: TestApp): Promise<{ code: number; out: string }> {
  const env = {
    PATH: process.env["PATH"],
    OMOI_DATABASE_URL: databaseUrlOf(app),
    OMOI_DATA_DIR: app.dataDir,
  };
  const args = [builtFile("server/admin/verify-merges.js")];
  const child = spawn(process.execPath, args, { env });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number, out: out + err };
}

describe("npm run merges:verify", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: { id: string; slug: string };
  let project: Project;
  const made: Record<"newest" | "sides" | "manual" | "revert" | "restore", Merge> =
    {} as typeof made;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { f: "base\n" });
    const conflict = async (body: object): Promise<Merge> => {
      const [one, two] = [
        (await makeWorkspace(owner, project.id)).workspace,
        (await makeWorkspace(owner, project.id)).workspace,
      ];
      await commitFiles(owner, one, { f: `${one.agent_name}\n` });
      await commitFiles(owner, two, { f: `${two.agent_name}\n` });
      await mergeIntoBase(owner, one);
      const params = { agent_id: two.agent_id };
      const { data } = await owner.api.workspaces.createMerge({ params, body });
      agents.set(data, two.agent_id);
      return data;
    };
    const agents = new Map<Merge, string>();
    const params = (merge: Merge) => ({
      agent_id: agents.get(merge) as string,
      merge_id: merge.id as string,
    });
    made.newest = await conflict({});
    made.sides = await conflict({ strategy: "target_wins" });
    made.manual = await conflict({ resolutions: [{ path: "f", content: "mine\n" }] });
    const toRestore = await conflict({});
    const { workspaces } = owner.api;
    made.restore = (
      await workspaces.restoreVersion({ params: params(toRestore), body: { paths: ["f"] } })
    ).data;
    await workspaces.sync({ params: params(toRestore) });
    const body = { strategy: "source_wins" } as const;
    made.revert = (await workspaces.revertMerge({ params: params(made.newest), body })).data;
  });
  afterAll(() => app.close());

  const reports = () =>
    app.db.withSystem("verify merges", (db) =>
      verifyMerges(db, storageIn(app.dataDir), app.db.node.id),
    );

  test("recomputes each merge to the same files", async () => {
    expect(await verify(app)).toEqual({
      code: 0,
      out: `${org.slug}: 12 merges, verified by recomputation\n`,
    });
  });

  test("skips the merges of a project that has no home at the moment", async () => {
    const setHome = (home: string | null) =>
      queryAsOwner(app, "update projects set home_node = $2 where id = $1", [project.id, home]);
    await setHome(null);
    const during = await reports();
    await setHome(app.db.node.id);
    expect(during).toEqual([{ slug: org.slug, merges: 0, skipped: 12, faults: [] }]);
  });

  const other = "recomputing it gives other files";
  test.each([
    ["sides", "strategy = 'source_wins'", other],
    ["manual", `decisions = '[{"take": "source"}]'`, other],
    ["manual", "decisions = null", other],
    ["restore", "merge_commit = target_commit", "its commit has other parents"],
    ["restore", "source_commit = base_commit", other],
    ["revert", "merge_commit = repeat('a', 40)", "its commit is missing"],
    ["newest", "source_commit = repeat('a', 40)", "its commit has other parents"],
  ] as const)("names a %s of which %s", async (name, change, reason) => {
    const { id } = made[name];
    const [before] = await queryAsOwner<{ row: unknown }>(
      app,
      "select to_jsonb(m) as row from merges m where id = $1",
      [id],
    );
    await queryAsOwner(app, `update merges set ${change} where id = $1`, [id]);
    expect(await reports()).toMatchObject([
      {
        slug: org.slug,
        merges: 12,
        faults: [{ id, reason: expect.stringContaining(reason) as string }],
      },
    ]);
    await queryAsOwner(
      app,
      `update merges m set strategy = b.strategy, decisions = b.decisions,
         source_commit = b.source_commit, base_commit = b.base_commit, merge_commit = b.merge_commit
       from jsonb_populate_record(null::merges, $2) b where m.id = $1`,
      [id, JSON.stringify(before?.row)],
    );
    expect(await reports()).toMatchObject([{ merges: 12, faults: [] }]);
  });

  test("detects changed receive times that decided a conflict", async () => {
    const [row] = await queryAsOwner<{ target: string }>(
      app,
      "select target_commit as target from merges where id = $1",
      [made.newest.id],
    );
    const side = await gitInRepository(app, project, "rev-parse", `${row?.target}^2`);
    const later = "update received_commits set received_at = now() where commit_sha = $1";
    await queryAsOwner(app, later, [side]);
    const { code, out } = await verify(app);
    expect([code, out]).toEqual([1, `${org.slug}: BROKEN at merge ${made.newest.id}: ${other}\n`]);
    // A second fault is reported beside the first one.
    const [fault] = (await reports())[0]?.faults ?? [];
    await queryAsOwner(app, "update merges set source_commit = repeat('a', 40) where id = $1", [
      made.restore.id,
    ]);
    const ids = new Set((await reports())[0]?.faults.map(({ id }) => id));
    expect(ids).toEqual(new Set([fault?.id, made.restore.id]));
  });

  test("skips the merges of a deleted project and verifies all others", async () => {
    const other = await app.person("other");
    const theirs = await makeOrganization(other);
    const [gone, kept] = [
      await makeProjectWith(other, theirs.id, { f: "1\n" }),
      await makeProjectWith(other, theirs.id, { f: "2\n" }),
    ];
    const { workspace } = await makeWorkspace(other, kept.id);
    await commitFiles(other, workspace, { g: "3\n" });
    await mergeIntoBase(other, workspace);
    await other.api.projects.delete({ params: { project_id: gone.id } });
    const before = (await reports()).find(({ slug }) => slug === theirs.slug);
    expect(before).toEqual({ slug: theirs.slug, merges: 2, skipped: 1, faults: [] });
    expect((await verify(app)).out).toContain(
      `${theirs.slug}: 2 merges, verified by recomputation; 1 of deleted projects or on other servers skipped\n`,
    );
    // If a repository is missing but its project was not deleted, each of its merges is faulty.
    await rm(storageIn(app.dataDir).repository(theirs.id, kept.id), { recursive: true });
    const after = (await reports()).find(({ slug }) => slug === theirs.slug);
    expect(after?.faults).toHaveLength(2);
    expect(await reports()).toHaveLength(2);
  });
});
