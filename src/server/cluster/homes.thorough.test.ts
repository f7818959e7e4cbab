import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { storageIn } from "#server/data-folder/storage.js";
import { listDue } from "#server/features/operation/disk-usage/disk-usage.queries.js";
import { listReadyProjects } from "#server/features/code/projects/projects.queries.js";
import { listEndedArchives } from "#server/features/code/workspaces/archives/archives.queries.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  commitFiles,
  folderOf,
  makeAgent,
  makeOrganization,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { makeProjectAt } from "#test/support/fixtures/project-at.js";
import { shell } from "#test/support/fixtures/runs.js";
import { gitInRepository, repoPathOf } from "#test/support/git/git.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { clusterEnv } from "#test/support/server/cluster-env.js";
import { removeDataFolder } from "#test/support/server/data-folder.js";

/** A command that runs until the file `go` exists. */
const untilTold = shell("until [ -e go ]; do sleep 0.02; done; rm go");

/** A node that a test starts and stops; its data folder stays. */
interface Node {
  name: string;
  dataDir: string;
  start(): Promise<TestApp>;
  stop(): Promise<void>;
  /** A client of the owner at this node. */
  person(): { api: Client };
}

describe("nodes with data folders of their own", () => {
  /** A third node without projects, which has the database. */
  let app: TestApp;
  let owner: TestPerson;
  let orgId: string;
  let folder: string;
  let one: Node;
  let two: Node;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "omoi-homes-"));
    const env = { OMOI_RUN_STOP_GRACE_SECONDS: "1", ...(await clusterEnv("zero")) };
    app = await startTestApp(env, "real");
    owner = await app.person("Ada");
    orgId = (await makeOrganization(owner)).id;
    one = await nodeNamed("one");
    two = await nodeNamed("two");
  });
  afterEach(async () => {
    await one.stop();
    await two.stop();
    await app.close();
    await removeDataFolder(folder);
    await rm(folder, { recursive: true, force: true });
  });

  async function nodeNamed(name: string): Promise<Node> {
    const env = { ...(await clusterEnv(name)), OMOI_DATA_DIR: join(folder, name) };
    let running: TestApp | null = null;
    const node: Node = {
      name,
      dataDir: env.OMOI_DATA_DIR,
      start: async () => (running ??= await app.sibling(env)),
      stop: async () => {
        await running?.close();
        running = null;
      },
      person: () => {
        if (running === null) throw new Error(`the node ${name} is not running`);
        return { api: running.client(owner.token) };
      },
    };
    await node.start();
    return node;
  }
  const rowOf = async (table: string, column: string, id: string) => {
    const [row] = await queryAsOwner(app, `select * from ${table} where ${column} = $1`, [id]);
    return row ?? {};
  };
  // The other nodes do not answer for a home that is away.
  const untilStatus = ({ id }: Run, status: Run["status"]) =>
    expect.poll(async () => (await rowOf("runs", "id", id))["status"]).toBe(status);
  const limit = (max_concurrent_agents: number) =>
    owner.api.organizations.update({ params: { org_id: orgId }, body: { max_concurrent_agents } });
  const start = async (node: Node, { agent_id }: Workspace, command = untilTold): Promise<Run> => {
    const params = { agent_id };
    return (await node.person().api.runs.create({ params, body: { command, queue: true } })).data;
  };
  const go = (workspace: Workspace) => writeFile(join(folderOf(workspace), "go"), "");
  const projectAt = (node: Node, files: Record<string, string> = {}): Promise<Project> =>
    makeProjectAt(app, node.name, node.person(), orgId, files);
  const workspaceAt = async (node: Node, project?: Project): Promise<Workspace> => {
    const { id } = project ?? (await projectAt(node));
    return (await makeWorkspace(node.person(), id)).workspace;
  };

  /** Reproduces what a process leaves that is killed during each kind of work. */
  async function leaveUnfinished(node: Node) {
    const person = node.person();
    const project = await projectAt(node, { "a.txt": "base\n" });
    const at = { dataDir: node.dataDir };
    // A commit whose branch has moved, and that is not recorded.
    const committed = await workspaceAt(node, project);
    const before = await gitInRepository(at, project, "rev-parse", committed.branch_name);
    const { commit_sha } = await commitFiles(person, committed, { "a.txt": "changed\n" });
    await queryAsOwner(
      app,
      "update workspace_commits set state = 'pending' where agent_id = $1 and commit_sha = $2",
      [committed.agent_id, commit_sha],
    );
    await queryAsOwner(app, "update workspaces set head_commit = $2 where agent_id = $1", [
      committed.agent_id,
      before,
    ]);
    const creating = await makeAgent(person, project.id);
    const made = await person.api.workspaces.create({ params: { agent_id: creating.id } });
    await queryAsOwner(app, "update workspaces set status = 'creating' where agent_id = $1", [
      creating.id,
    ]);
    const terminated = await workspaceAt(node, project);
    await queryAsOwner(app, "update agents set terminated_at = now() where id = $1", [
      terminated.agent_id,
    ]);
    const importing = await projectAt(node);
    await queryAsOwner(app, "update projects set status = 'importing' where id = $1", [
      importing.id,
    ]);
    const deleted = await projectAt(node);
    await queryAsOwner(app, "update projects set deleted_at = now() where id = $1", [deleted.id]);
    const read = async () => ({
      commit: (await rowOf("workspace_commits", "commit_sha", commit_sha))["state"] as string,
      creating: (await rowOf("workspaces", "agent_id", creating.id))["status"] as string,
      isReleased: (await rowOf("agents", "id", terminated.agent_id))["name_released"] as boolean,
      archived: (await rowOf("workspaces", "agent_id", terminated.agent_id))["status"] as string,
      importing: (await rowOf("projects", "id", importing.id))["status"] as string,
      isRemoved: (await rowOf("projects", "id", deleted.id))["removed_at"] !== null,
      hasFolder: (await readdir(folderOf(made.data)).catch(() => null)) !== null,
      hasRepository: (await readdir(repoPathOf(at, deleted)).catch(() => null)) !== null,
    });
    return { read };
  }

  const unfinished = {
    commit: "pending",
    creating: "creating",
    isReleased: false,
    archived: "active",
    importing: "importing",
    isRemoved: false,
    hasFolder: true,
    hasRepository: true,
  };
  const recovered = {
    commit: "recorded",
    creating: "active",
    isReleased: true,
    archived: "archived",
    importing: "ready",
    isRemoved: true,
    hasFolder: true,
    hasRepository: false,
  };

  test("a node that starts recovers what it left itself, and nothing of another one", async () => {
    const workspace = await workspaceAt(one);
    const run = await start(one, workspace);
    const [left, own] = [await leaveUnfinished(one), await leaveUnfinished(two)];
    for (let round = 0; round < 3; round += 1) {
      await two.stop();
      await two.start();
    }
    await expect.poll(own.read).toEqual(recovered);
    expect(await left.read()).toEqual(unfinished);
    expect((await rowOf("runs", "id", run.id))["status"]).toBe("running");
    await go(workspace);
    await untilStatus(run, "succeeded");
    for (const part of ["repositories", "overlays", "workspaces", "indexes"] as const) {
      const names = async (node: Node): Promise<string[]> =>
        readdir(join(storageIn(node.dataDir)[part], orgId)).catch(() => []);
      const others = await names(one);
      expect(
        (await names(two)).filter((name) => /^\w/.test(name) && others.includes(name)),
      ).toEqual([]);
    }

    await one.stop();
    await one.start();
    await expect.poll(left.read).toEqual(recovered);
  });

  /** Reproduces work that is due, which periodic tasks find. */
  async function leaveDue(node: Node) {
    const project = await projectAt(node, { "a.txt": "base\n" });
    const due = await workspaceAt(node, project);
    const unsaved = await workspaceAt(node, project);
    const run = await start(node, unsaved, ["true"]);
    await untilStatus(run, "succeeded");
    for (const workspace of [due, unsaved]) await writeFiles(workspace, { "b.txt": "new\n" });
    await node.stop();
    await queryAsOwner(app, "update runs set status = 'lost', is_unsaved = true where id = $1", [
      run.id,
    ]);
    await queryAsOwner(
      app,
      `update workspaces set checkpoint_interval_minutes = 1, created_at = now() - interval '1 hour'
        where agent_id = $1`,
      [due.agent_id],
    );
    await queryAsOwner(app, "delete from radar_scans where project_id = $1", [project.id]);
    const commits = async ({ agent_id }: Workspace) =>
      (await queryAsOwner(app, "select from workspace_commits where agent_id = $1", [agent_id]))
        .length;
    return async () => ({
      due: await commits(due),
      unsaved: await commits(unsaved),
      isUnsaved: (await rowOf("runs", "id", run.id))["is_unsaved"] as boolean,
      scans: (
        await queryAsOwner(app, "select from radar_scans where project_id = $1", [project.id])
      ).length,
    });
  }

  test("periodic work of a node that is away waits until it is back", async () => {
    const [away, present] = [await leaveDue(one), await leaveDue(two)];
    const before = { due: 0, unsaved: 0, isUnsaved: true, scans: 0 };
    const after = { due: 1, unsaved: 1, isUnsaved: false, scans: 3 };
    await two.start();
    await expect.poll(present).toEqual(after);
    expect(await away()).toEqual(before);
    await one.start();
    await expect.poll(away).toEqual(after);
  });

  test("hourly and rarer work is found at the home only", async () => {
    const owned = async (node: Node) => {
      const project = await projectAt(node);
      const { agent_id } = await workspaceAt(node, project);
      await node.person().api.workspaces.archive({ params: { agent_id } });
      return { project: project.id, agent: agent_id };
    };
    const [first, second] = [await owned(one), await owned(two)];
    await queryAsOwner(app, "update archives set archived_at = now() - interval '10 years'");
    for (const [node, own, other] of [
      [one, first, second],
      [two, second, first],
    ] as const) {
      const { db } = await node.start();
      const found = await db.withSystem("find work", async (tx) => ({
        archives: (await listEndedArchives(tx, db.node.id)).map(({ agent_id }) => agent_id),
        packed: (await listReadyProjects(tx, db.node.id)).map(({ id }) => id),
        measured: (await listDue(tx, db.node.id, 0, 100, [])).map(({ id }) => id),
      }));
      expect(found.archives).toEqual([own.agent]);
      for (const projects of [found.packed, found.measured]) {
        expect(projects).toContain(own.project);
        expect(projects).not.toContain(other.project);
      }
    }
  });

  test("checks of a merge queue run at the home", async () => {
    const tips = async (node: Node, project: Project) =>
      gitInRepository({ dataDir: node.dataDir }, project, "rev-parse", "main");
    const projects = new Map<Node, Project>();
    for (const node of [one, two]) {
      const person = node.person();
      const project = await projectAt(node, { "a.txt": "base\n" });
      projects.set(node, project);
      await person.api.mergeQueue.setCheck({
        params: { project_id: project.id, name: "test" },
        body: { command: shell("cat b.txt") },
      });
      const protected_branches = [{ pattern: "main", checks: ["test"] }];
      const params = { project_id: project.id };
      await person.api.projects.update({ params, body: { protected_branches } });
    }
    const before = await Promise.all([...projects].map(([node, project]) => tips(node, project)));
    for (const [node, project] of projects) {
      const workspace = await workspaceAt(node, project);
      await commitFiles(node.person(), workspace, { "b.txt": "new\n" });
      await node.person().api.workspaces.createMerge({
        params: { agent_id: workspace.agent_id },
        body: { queue: true },
      });
    }
    await expect
      .poll(async () => queryAsOwner(app, "select status from merge_requests"))
      .toEqual([{ status: "merged" }, { status: "merged" }]);
    const after = await Promise.all([...projects].map(([node, project]) => tips(node, project)));
    for (const [index, tip] of after.entries()) expect(tip).not.toBe(before[index]);
    const attempts = await queryAsOwner(app, "select attempts from commit_checks");
    expect(attempts).toEqual([{ attempts: 1 }, { attempts: 1 }]);
  });

  test("of concurrent starts on two nodes, exactly the limit succeeds", async () => {
    await limit(3);
    const workspaces: [Node, Workspace][] = [];
    for (const node of [one, two]) {
      const project = await projectAt(node);
      for (let number = 0; number < 8; number += 1) {
        workspaces.push([node, await workspaceAt(node, project)]);
      }
    }
    const outcomes = await Promise.allSettled(
      workspaces.map(([node, { agent_id }]) =>
        node.person().api.runs.create({ params: { agent_id }, body: { command: untilTold } }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  });

  test("queued runs of two nodes start in one order, within the limit", async () => {
    await limit(1);
    const [a, b] = [await workspaceAt(one), await workspaceAt(two)];
    const c = await workspaceAt(one);
    const running = await start(one, a);
    const queued: [Node, Workspace][] = [
      [two, b],
      [one, c],
      [one, a],
      [two, b],
    ];
    const runs: Run[] = [];
    for (const [node, workspace] of queued) runs.push(await start(node, workspace));
    let last: [Run, Workspace] = [running, a];
    for (const [index, run] of runs.entries()) {
      await go(last[1]);
      await untilStatus(last[0], "succeeded");
      await untilStatus(run, "running");
      const { data } = await owner.api.usage.get({ params: { org_id: orgId } });
      expect(data.concurrent_agents.current).toBe(1);
      last = [run, queued[index]?.[1] as Workspace];
    }
  });

  test("a freed place is passed on to the node of the next run", async () => {
    await limit(1);
    const [a, b] = [await workspaceAt(one), await workspaceAt(two)];
    const running = await start(one, a);
    const next = await start(two, b);
    // As if it had just stopped to respond: its lease goes on.
    await two.stop();
    await queryAsOwner(
      app,
      "update nodes set lease_until = now() + interval '1 day' where name = 'two'",
    );
    await go(a);
    await untilStatus(running, "succeeded");
    const waiting = () =>
      queryAsOwner(
        app,
        "select data from pgboss.job where name = (select 'start-queued-runs.' || id from nodes where name = 'two')",
      );
    await expect.poll(waiting).toEqual([{ data: { org_id: orgId } }]);
    await two.start();
    await untilStatus(next, "running");
    await expect.poll(waiting).toEqual([]);
  });

  test("a queued run of a node that is away holds up no other one", async () => {
    await limit(1);
    const [a, b, c] = [await workspaceAt(one), await workspaceAt(two), await workspaceAt(one)];
    const running = await start(one, a);
    const away = await start(two, b);
    await two.stop();
    await queryAsOwner(app, "update nodes set lease_until = now() where name = 'two'");
    const behind = await start(one, c);
    await go(a);
    await untilStatus(running, "succeeded");
    await untilStatus(behind, "running");
    expect((await rowOf("runs", "id", away.id))["status"]).toBe("queued");
    await go(c);
    await untilStatus(behind, "succeeded");
    // A new one does not wait for it either.
    const direct = await start(one, a);
    expect(direct.status).toBe("running");
    await two.start();
    await go(a);
    await untilStatus(direct, "succeeded");
    await untilStatus(away, "running");
  });

  test("a project is removed from the disk of its home, also when that comes back later", async () => {
    const project = await projectAt(one);
    const repository = repoPathOf({ dataDir: one.dataDir }, project);
    await one.stop();
    // A deletion that was recorded while its home was away.
    await queryAsOwner(app, "update projects set deleted_at = now() where id = $1", [project.id]);
    await two.stop();
    await two.start();
    expect((await rowOf("projects", "id", project.id))["removed_at"]).toBeNull();
    expect(await readdir(repository)).toContain("HEAD");
    await one.start();
    await expect
      .poll(async () => (await rowOf("projects", "id", project.id))["removed_at"])
      .not.toBeNull();
    await expect(readdir(repository)).rejects.toThrow("ENOENT");
  });
});
