import { setTimeout as pause } from "node:timers/promises";
import { rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Radar } from "#shared/api/code/radar.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { Project } from "#shared/api/code/projects.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "#test/support/fixtures/factories.js";
import { repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { git } from "#git/process/run.js";

const base = {
  "shared.txt": "one\ntwo\nthree\n",
  "other.txt": "a\nb\nc\n",
  "docs/guide.txt": "line 1\nline 2\nline 3\nline 4\nline 5\n",
  "docs/more.txt": "more\nlines\nof\ntext\nhere\n",
};

describe("the conflict radar", () => {
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let project: Project;
  let one: Workspace;
  let two: Workspace;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    orgId = (await makeOrganization(owner)).id;
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    project = await makeProjectWith(owner, orgId, base);
    one = await newWorkspace();
    two = await newWorkspace();
  });

  const newWorkspace = async () => (await makeWorkspace(owner, project.id)).workspace;
  const of = async (workspace: Workspace): Promise<Radar> => {
    const params = { agent_id: workspace.agent_id };
    return (await owner.api.radar.workspace({ params })).data;
  };
  const all = async (): Promise<Radar> =>
    (await owner.api.radar.project({ params: { project_id: project.id } })).data;
  /** Returns the radar after all changes have been scanned. */
  const untilScanned = async (read: () => Promise<Radar>): Promise<Radar> => {
    await expect.poll(async () => (await read()).is_current).toBe(true);
    return read();
  };
  const withWhom = ({ pairs }: Radar) =>
    pairs.map(({ other, conflicts }) => [
      other.agent_id ?? other.branch_name,
      conflicts.map(({ kind, paths }) => [kind, ...paths]),
    ]);

  test("reports a conflict from the commit that begins it until the one that ends it", async () => {
    expect(await untilScanned(() => of(one))).toMatchObject({
      pairs: [],
      total_pairs: 0,
      workspaces: 3,
    });
    const first = await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    await commitFiles(owner, two, { "other.txt": "a\nB\nc\n" });
    expect((await untilScanned(() => of(one))).pairs).toEqual([]);
    const later = await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n" });
    const radar = await untilScanned(() => of(one));
    expect(radar.pairs).toEqual([
      {
        one: {
          agent_id: one.agent_id,
          agent_name: one.agent_name,
          branch_name: one.branch_name,
          commit_sha: first.commit_sha,
        },
        other: {
          agent_id: two.agent_id,
          agent_name: two.agent_name,
          branch_name: two.branch_name,
          commit_sha: later.commit_sha,
        },
        total_conflicts: 1,
        conflicts: [
          {
            paths: ["shared.txt"],
            kind: "modify/modify",
            winner: "other",
            one_time: expect.any(String),
            other_time: expect.any(String),
          },
        ],
      },
    ]);
    const [conflict] = radar.pairs[0]?.conflicts ?? [];
    expect(Date.parse(conflict?.other_time ?? "")).toBeGreaterThan(
      Date.parse(conflict?.one_time ?? ""),
    );
    // Mirrored from the other side.
    const mirrored = (await of(two)).pairs[0];
    expect([mirrored?.one.agent_id, mirrored?.conflicts[0]?.winner]).toEqual([two.agent_id, "one"]);
    expect((await all()).pairs).toHaveLength(1);
    await commitFiles(owner, two, { "shared.txt": base["shared.txt"] });
    expect((await untilScanned(() => of(one))).pairs).toEqual([]);
    expect((await all()).pairs).toEqual([]);
  });

  test("reports conflicts with the base after another merge, resolved as the merge would", async () => {
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n", "new.txt": "one\n" });
    await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n", "new.txt": "two\n" });
    expect(withWhom(await untilScanned(() => of(two)))).toEqual([
      [
        one.agent_id,
        [
          ["add/add", "new.txt"],
          ["modify/modify", "shared.txt"],
        ],
      ],
    ]);
    await mergeIntoBase(owner, one);
    // The other workspace's changes are now in the base and conflict with it only.
    const radar = await untilScanned(() => of(two));
    expect(withWhom(radar)).toEqual([
      [
        "main",
        [
          ["add/add", "new.txt"],
          ["modify/modify", "shared.txt"],
        ],
      ],
    ]);
    expect((await of(one)).pairs).toEqual([]);
    const merge = await mergeIntoBase(owner, two);
    expect(radar.pairs[0]?.conflicts.map(({ winner }) => winner)).toEqual(["one", "one"]);
    expect(merge.resolutions.map(({ winner }) => winner)).toEqual(["source", "source"]);
    expect((await untilScanned(all)).pairs).toEqual([]);
  });

  test("distinguishes conflicts between three workspaces", async () => {
    const three = await newWorkspace();
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n", "other.txt": "a\nB\nc\n" });
    await commitFiles(owner, three, { "other.txt": "a\nbe\nc\n" });
    const radar = await untilScanned(all);
    const names = radar.pairs.map((pair) =>
      [pair.one.agent_id, pair.other.agent_id, pair.conflicts.map(({ paths }) => paths)].flat(2),
    );
    expect(names).toHaveLength(2);
    const sorted = (...ids: string[]) => ids.toSorted();
    expect(names.map(([a, b, path]) => [sorted(a as string, b as string), path])).toEqual(
      expect.arrayContaining([
        [sorted(one.agent_id, two.agent_id), "shared.txt"],
        [sorted(two.agent_id, three.agent_id), "other.txt"],
      ]),
    );
    expect(withWhom(await of(three)).map(([other]) => other)).toEqual([two.agent_id]);
    // An archived workspace has no conflicts.
    await owner.api.workspaces.archive({ params: { agent_id: two.agent_id } });
    expect((await untilScanned(all)).pairs).toEqual([]);
  });

  test("follows renames: of a file, to two names, and of a folder with a changed file", async () => {
    await rename(join(folderOf(one), "docs"), join(folderOf(one), "manual"));
    await commitFiles(owner, one, { "manual/guide.txt": `${base["docs/guide.txt"]}line 6\n` });
    await commitFiles(owner, two, { "docs/guide.txt": `${base["docs/guide.txt"]}line six\n` });
    const [pair] = (await untilScanned(() => of(one))).pairs;
    expect(pair?.conflicts).toMatchObject([
      { kind: "modify/modify", paths: ["docs/guide.txt", "manual/guide.txt"] },
    ]);
    await rename(join(folderOf(two), "other.txt"), join(folderOf(two), "second.txt"));
    await commitFiles(owner, two, { "docs/guide.txt": base["docs/guide.txt"] });
    await rename(join(folderOf(one), "other.txt"), join(folderOf(one), "first.txt"));
    await commitFiles(owner, one, {});
    expect(withWhom(await untilScanned(() => of(one)))).toEqual([
      [two.agent_id, [["rename/rename", "first.txt", "other.txt", "second.txt"]]],
    ]);
    await rm(join(folderOf(two), "shared.txt"));
    await commitFiles(owner, two, { "shared.txt/inside.txt": "a folder now\n" });
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    const kinds = (await untilScanned(() => of(one))).pairs[0]?.conflicts.map(({ kind }) => kind);
    expect(kinds).toContain("directory/file");
  });

  test("computes a pair once across processes and deletes pairs of old commits", async () => {
    const sibling = await app.sibling();
    try {
      await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
      await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n" });
      await untilScanned(all);
      const rows = () =>
        queryAsOwner<{ source_commit: string; target_commit: string; computed_at: Date }>(
          app,
          "select source_commit, target_commit, computed_at from radar_pairs where project_id = $1",
          [project.id],
        );
      const before = await rows();
      expect(before).toHaveLength(1);
      const there = { ...owner, api: sibling.client(owner.token) };
      const three = (await makeWorkspace(there, project.id)).workspace;
      const others = await Promise.all([newWorkspace(), newWorkspace(), newWorkspace()]);
      await Promise.all([
        commitFiles(there, three, { "shared.txt": "one\ntrois\nthree\n" }),
        ...others.map((workspace, index) =>
          commitFiles(owner, workspace, { "shared.txt": `one\n${index}\nthree\n` }),
        ),
      ]);
      expect((await untilScanned(all)).total_pairs).toBe(15);
      const after = await rows();
      expect(after).toHaveLength(15);
      expect(after).toContainEqual(before[0]);
      for (const workspace of [...others, three]) {
        await owner.api.workspaces.archive({ params: { agent_id: workspace.agent_id } });
      }
      expect((await untilScanned(all)).total_pairs).toBe(1);
      await expect.poll(rows).toEqual(before);
    } finally {
      await sibling.close();
    }
  });

  test("scans a project in one process at a time, without writing into its store", async () => {
    await untilScanned(all);
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    await untilScanned(all);
    let before = "";
    const gitDir = repoPathOf(app, project);
    const objects = async () => (await git(["count-objects"], { gitDir })).stdout.toString();
    const hold = async () => {
      await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n" });
      before = await objects();
      expect((await all()).is_current).toBe(false);
    };
    // The last scan may hold it for another moment.
    while (!(await app.db.tryLock(`radar ${project.id}`, hold))) await pause(50);
    expect((await untilScanned(all)).pairs[0]?.total_conflicts).toBe(1);
    expect(await objects()).toBe(before);
  });

  test("catches up with changes made while no server was running", async () => {
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n" });
    await untilScanned(all);
    await queryAsOwner(app, "delete from radar_pairs where project_id = $1", [project.id]);
    await queryAsOwner(app, "delete from radar_scans where project_id = $1", [project.id]);
    expect(await all()).toMatchObject({ is_current: false, looked_at: null, pairs: [] });
    const started = await app.sibling();
    try {
      expect((await untilScanned(all)).total_pairs).toBe(1);
    } finally {
      await started.close();
    }
  });

  test("is 404 without a workspace and 410 after its end; an archived one has none", async () => {
    const { data: agent } = await owner.api.agents.create({
      body: { project_id: project.id, name: `bare-${Date.now()}` },
    });
    const params = { agent_id: agent.id };
    await expectProblem(owner.api.radar.workspace({ params }), 404, "workspace_missing");
    await owner.api.workspaces.archive({ params: { agent_id: one.agent_id } });
    expect((await of(one)).pairs).toEqual([]);
    await queryAsOwner(
      app,
      "update workspaces set status = 'expired', archive_id = null where agent_id = $1",
      [one.agent_id],
    );
    await expectProblem(
      owner.api.radar.workspace({ params: { agent_id: one.agent_id } }),
      410,
      "workspace_expired",
    );
  });

  test("shows an agent its own workspace's conflicts only", async () => {
    const three = await newWorkspace();
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n", "other.txt": "a\nB\nc\n" });
    await commitFiles(owner, three, { "other.txt": "a\nbe\nc\n" });
    expect((await untilScanned(all)).total_pairs).toBe(2);
    const { data: key } = await owner.api.apiKeys.create({
      body: { name: "of the agent", organization_id: orgId, agent_id: one.agent_id },
    });
    const agent = app.client(key.key as string);
    const { data: seen } = await agent.radar.project({ params: { project_id: project.id } });
    expect(seen.total_pairs).toBe(1);
    expect(JSON.stringify(seen.pairs)).not.toContain(three.agent_id);
    const { data: own } = await agent.radar.workspace({ params: { agent_id: one.agent_id } });
    expect(own.pairs.map(({ other }) => other.agent_id)).toEqual([two.agent_id]);
    await expectProblem(
      agent.radar.workspace({ params: { agent_id: two.agent_id } }),
      404,
      "not_found",
    );
  });

  test("notifies listeners when a conflict begins and ends", async () => {
    await untilScanned(all);
    const stop = new AbortController();
    const response = await fetch(`${app.url}/api/v1/organizations/${orgId}/events`, {
      signal: stop.signal,
      headers: { authorization: `Bearer ${owner.token}` },
    });
    let text = "";
    void (async () => {
      for await (const bytes of response.body ?? []) text += new TextDecoder().decode(bytes);
    })().catch(() => {});
    const conflictEvents = () =>
      [...text.matchAll(/^data: (\{.*\})$/gm)]
        .map(([, json]) => JSON.parse(json as string) as { type: string; id: string })
        .filter(({ type }) => type === "conflict")
        .map(({ id }) => id);
    const both = [one.agent_id, two.agent_id].toSorted();
    await commitFiles(owner, one, { "shared.txt": "one\nTWO\nthree\n" });
    await commitFiles(owner, two, { "shared.txt": "one\nzwei\nthree\n" });
    await expect.poll(() => conflictEvents().toSorted()).toEqual(both);
    await commitFiles(owner, two, { "other.txt": "nobody else's\n" });
    await untilScanned(all);
    await commitFiles(owner, two, { "shared.txt": base["shared.txt"] });
    await expect.poll(() => conflictEvents().slice(2).toSorted()).toEqual(both);
    stop.abort();
  });
});
