import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { updateRef } from "#git/store/refs.js";
import { commitTree, resolveTree } from "#git/store/repository.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import {
  commitFiles,
  makeOrganization,
  makeProjectWith,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { branchLock, workspaceLock } from "../workspace.js";
import { storageIn } from "../../../../data-folder/storage.js";
import { verifyMerges } from "./verify-merges.js";

/** More than hold the branch at once. */
const agentCount = 12;
const roundCount = 60;

describe("merges that wait for each other", () => {
  let app: TestApp;
  let sibling: TestApp;
  let owner: TestPerson;
  let project: Project;
  const workspaces: Workspace[] = [];
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
    owner = await app.person("owner");
    const org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "shared.txt": "base\n" });
    for (let nth = 0; nth < agentCount; nth += 1) {
      workspaces.push((await makeWorkspace(owner, project.id)).workspace);
    }
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });

  const tip = () => gitInRepository(app, project, "rev-parse", "refs/heads/main");

  /** Moves the branch as a fetch from an upstream does, which waits for no merge. */
  async function moveBranch(): Promise<string | null> {
    const repoPath = repoPathOf(app, project);
    const parent = await tip();
    const commit = await commitTree(repoPath, {
      tree: await resolveTree(repoPath, parent),
      parents: [parent],
      message: "Move",
      author: { name: "Upstream", email: "up@example.com" },
      date: new Date(),
    });
    return updateRef(repoPath, "refs/heads/main", commit, parent).then(
      () => commit,
      () => null,
    );
  }

  test(
    `are computed onto the commit that they land on, in ${roundCount} random rounds`,
    async () => {
      const expected: { sha: string; message: string; path: string | null }[] = [];
      const moved: string[] = [];
      const first = await tip();
      for (let round = 0; round < roundCount; round += 1) {
        const isShared = workspaces.map(() => Math.random() < 0.25);
        await Promise.all(
          workspaces.map((workspace, nth) =>
            commitFiles(owner, workspace, {
              [isShared[nth] === true ? "shared.txt" : `${nth}/${round}.txt`]: `${nth} ${round}\n`,
            }),
          ),
        );
        const merges = workspaces.map(async ({ agent_id }, nth) => {
          const api = Math.random() < 0.7 ? owner.api : sibling.client(owner.token);
          const message = `Round ${round}, agent ${nth}`;
          const request = { params: { agent_id }, body: { message } };
          const expects = Math.random() < 0.2;
          const { data } = await (expects
            ? // Another merge may be first; then this one is stale and is requested again.
              api.workspaces
                .createMerge({ ...request, body: { message, expected_target: await tip() } })
                .catch(() => api.workspaces.createMerge(request))
            : api.workspaces.createMerge(request));
          if (data.status === "up_to_date") return;
          const path = isShared[nth] === true ? null : `${nth}/${round}.txt`;
          expected.push({ sha: data.merge_commit_sha as string, message, path });
        });
        const moves = [1, 2].map(async () => {
          if (Math.random() < 0.5) return;
          const commit = await moveBranch();
          if (commit !== null) moved.push(commit);
        });
        await Promise.all([...merges, ...moves]);
      }
      const log = await gitInRepository(
        app,
        project,
        "log",
        "--first-parent",
        "--format=%H %s",
        `${first}..main`,
      );
      expect(log.split("\n").sort()).toEqual(
        [
          ...expected.map(({ sha, message }) => `${sha} ${message}`),
          ...moved.map((sha) => `${sha} Move`),
        ].sort(),
      );
      const files = await gitInRepository(app, project, "ls-tree", "-r", "--name-only", "main");
      const own = expected.flatMap(({ path }) => path ?? []);
      expect(files.split("\n").sort()).toEqual([...own, "shared.txt"].sort());
      const [report] = await app.db.withSystem("verify merges", (db) =>
        verifyMerges(db, storageIn(app.dataDir), app.db.node.id),
      );
      // The project's files came by a merge, too.
      expect(report).toMatchObject({ merges: expected.length + 1, faults: [] });
    },
    roundCount * 10_000,
  );

  test("are refused when their caller may no longer merge, and others are not", async () => {
    const { data: key } = await owner.api.apiKeys.create({ body: { name: "ended" } });
    const revoked = app.client(key.key as string);
    await Promise.all(
      workspaces.map((workspace, nth) =>
        commitFiles(owner, workspace, { [`revoked/${nth}.txt`]: "one\n" }),
      ),
    );
    const lock = branchLock(project.id, "main");
    const merges: Promise<unknown>[] = [];
    await app.db.locks(project.organization_id, [lock], async () => {
      for (const [nth, { agent_id }] of workspaces.entries()) {
        const { api } = nth % 3 === 1 ? { api: revoked } : owner;
        merges.push(api.workspaces.createMerge({ params: { agent_id } }));
      }
      // All of them wait; those of the key have already been authorized.
      const waiting = "select 1 from merges_under_way";
      await expect.poll(async () => (await queryAsOwner(app, waiting)).length).toBe(agentCount);
      await owner.api.apiKeys.revoke({ params: { key_id: key.id } });
    });
    const ends = await Promise.allSettled(merges);
    for (const [nth, end] of ends.entries()) {
      expect(end).toMatchObject(
        nth % 3 === 1
          ? { status: "rejected", reason: { status: 401 } }
          : { status: "fulfilled", value: { data: { status: "clean" } } },
      );
    }
    const files = await gitInRepository(app, project, "ls-tree", "--name-only", "main", "revoked/");
    expect(files.split("\n")).toHaveLength((agentCount * 2) / 3);
    const events = await queryAsOwner<{ name: string; id: string }>(
      app,
      `select actor ->> 'name' as name from audit_events
       where action = 'merge.created' order by sequence desc limit $1`,
      [(agentCount * 2) / 3],
    );
    expect(new Set(events.map(({ name }) => name))).toEqual(new Set(["owner"]));
  });

  test("wait for a busy workspace without the branch", async () => {
    const [busy, other] = workspaces as [Workspace, Workspace];
    for (const workspace of [busy, other]) {
      await commitFiles(owner, workspace, { [`busy/${workspace.agent_id}.txt`]: "one\n" });
    }
    const merge = ({ agent_id }: Workspace) =>
      owner.api.workspaces.createMerge({ params: { agent_id } });
    const orgId = project.organization_id;
    let held: ReturnType<typeof merge> | undefined;
    let release: () => void = () => {};
    const holding = new Promise<void>((resolve) => {
      release = resolve;
    });
    let holder: Promise<void> | undefined;
    await app.db.locks(orgId, [branchLock(project.id, "main")], async () => {
      held = merge(busy);
      const waiting = "select 1 from merges_under_way";
      await expect.poll(async () => (await queryAsOwner(app, waiting)).length).toBe(1);
      // The merge waits for the branch alone.
      await new Promise<void>((resolve) => {
        holder = app.db.locks(orgId, [workspaceLock(busy.agent_id)], () => {
          resolve();
          return holding;
        });
      });
    });
    expect((await merge(other)).data.status).toBe("clean");
    expect((await merge(other)).data.status).toBe("up_to_date");
    release();
    await holder;
    expect((await held)?.data.status).toBe("clean");
  });

  test("of one workspace are made once", async () => {
    await Promise.all(
      workspaces.map((workspace, nth) =>
        commitFiles(owner, workspace, { [`twice/${nth}.txt`]: "one\n" }),
      ),
    );
    const ends = await Promise.all(
      [...workspaces, ...workspaces].map(({ agent_id }) =>
        owner.api.workspaces.createMerge({ params: { agent_id } }),
      ),
    );
    const statuses = ends.map(({ data }) => data.status).sort();
    expect(statuses).toEqual([
      ...workspaces.map(() => "clean"),
      ...workspaces.map(() => "up_to_date"),
    ]);
  });

  test("go on when the merge before them is refused", async () => {
    await Promise.all(
      workspaces.map((workspace, nth) =>
        commitFiles(owner, workspace, { [`refused/${nth}.txt`]: "one\n" }),
      ),
    );
    const ends = await Promise.allSettled(
      workspaces.map(({ agent_id }, nth) =>
        owner.api.workspaces.createMerge({
          params: { agent_id },
          body: nth % 2 === 0 ? {} : { expected_target: "0".repeat(40) },
        }),
      ),
    );
    expect(ends.map(({ status }) => status)).toEqual(
      workspaces.map((_workspace, nth) => (nth % 2 === 0 ? "fulfilled" : "rejected")),
    );
  });
});
