import { createHash } from "node:crypto";
import { mkdir, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { ProjectMove } from "#shared/api/operation/project-moves.js";
import { streamSystem } from "#git/process/system-command.js";
import { storageIn } from "#server/data-folder/storage.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { tarFlags } from "#server/data-folder/tar-flags.js";
import {
  commitFiles,
  folderOf,
  makeOrganization,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { createGitKey, openCloneFactory } from "#test/support/git/clone.js";
import { gitInRepository } from "#test/support/git/git.js";
import { expectProblem, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { homeOf, startCluster, type TestCluster } from "#test/support/server/cluster.js";
import { takeBack } from "./leave-project.js";
import * as queries from "./moves.queries.js";
import { filesOf, presentParts } from "./project-files.js";

let cluster: TestCluster;
let one: TestApp;
let two: TestApp;
let root: TestPerson;
let ann: TestPerson;
let orgId: string;
beforeAll(async () => {
  cluster = await startCluster(["one", "two"], {}, "real");
  [one, two] = cluster.nodes as [TestApp, TestApp];
  root = await one.person("root");
  ann = await one.person("ann");
  orgId = (await makeOrganization(root)).id;
});
afterAll(() => cluster.close());

const paramsOf = ({ id }: Pick<Project, "id">) => ({ project_id: id });
const move = async (project: Project, to: TestApp): Promise<ProjectMove> => {
  const body = { node: String(to.config.nodeName) };
  const { data } = await root.api.projectMoves.start({ params: paramsOf(project), body });
  return data;
};
const untilState = (project: Project, state: ProjectMove["state"]) =>
  expect
    .poll(
      async () => {
        const { data } = await root.api.projectMoves.get({ params: paramsOf(project) });
        return [data.state, data.error];
      },
      { interval: 100 },
    )
    .toEqual([state, null]);
const moveTo = async (project: Project, to: TestApp): Promise<void> => {
  await move(project, to);
  await untilState(project, "done");
  expect(await homeOf(one, project)).toBe(to.config.nodeName);
};
const at = (node: TestApp) => cluster.at(root, node);

/** A digest of all files of a project on a node, with their owners, times and attributes. */
async function digestOf(node: TestApp, project: Project): Promise<string> {
  const { dataDir } = node;
  const place = { org_id: project.organization_id, project_id: project.id };
  const parts = await presentParts(dataDir, await filesOf({ db: node.db, dataDir }, place));
  const args = ["--create", "--file=-", ...tarFlags, "--sort=name"];
  args.push("--pax-option=delete=atime,delete=ctime,exthdr.name=%d/%f");
  // A mount changes the other parts of an overlay.
  const ofOverlay = (part: string) => ["upper", "lower", "kind"].map((name) => `${part}/${name}`);
  args.push(...parts.flatMap((part) => (part.startsWith("overlays/") ? ofOverlay(part) : part)));
  const { output, done } = streamSystem("tar", args, { cwd: dataDir, input: "" });
  const hash = createHash("sha256");
  for await (const piece of output) hash.update(piece as Buffer);
  expect(await done).toMatchObject({ exitCode: 0 });
  return hash.digest("hex");
}
const traces = async (node: TestApp, project: Project): Promise<string[]> => {
  const { dataDir } = node;
  const place = { org_id: project.organization_id, project_id: project.id };
  return [
    ...(await presentParts(dataDir, await filesOf({ db: node.db, dataDir }, place))),
    ...(await readdir(join(dataDir, "moving")).catch(() => [])),
  ];
};

test("files of all kinds arrive as they are, and the earlier server keeps none", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const person = at(one);
  const base = await makeWorkspace(person, project.id);
  await writeFiles(base.workspace, {
    "folder/a.txt": "a\n",
    "folder/sub/b.txt": "b\n",
    "gone.txt": "gone\n",
    "gone/c.txt": "c\n",
    ".gitignore": "ignored\n",
  });
  await mergeIntoBase(person, base.workspace);
  const { workspace } = await makeWorkspace(person, project.id);
  const archived = await makeWorkspace(person, project.id);
  await writeFiles(archived.workspace, { "unsaved.txt": "unsaved\n" });
  await person.api.workspaces.archive({ params: { agent_id: archived.workspace.agent_id } });
  const folder = folderOf(workspace);
  const run = await person.api.runs.create({
    params: { agent_id: workspace.agent_id },
    body: { command: shell("echo $HOME; echo kept > $HOME/kept; echo run > run.txt") },
  });
  await waitForRunEnd(person, run.data.id);
  await rename(join(folder, "folder"), join(folder, "renamed"));
  await rm(join(folder, "gone.txt"));
  await rm(join(folder, "gone"), { recursive: true });
  await mkdir(join(folder, "gone"));
  await mkdir(join(folder, "ignored"));
  await writeFile(join(folder, "ignored/big"), Buffer.alloc(3 * 1024 * 1024, 7));
  await writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x0a, 0x20])]), "x");
  await symlink("../outside", join(folder, "link"));
  const logOf = async (): Promise<unknown> =>
    (await person.api.runs.logs({ params: { run_id: run.data.id }, query: {} })).data;
  const log = await logOf();
  const before = await digestOf(one, project);

  await moveTo(project, two);
  expect(await digestOf(two, project)).toBe(before);
  expect(await traces(one, project)).toEqual([]);
  expect(await traces(two, project)).not.toContain(expect.stringContaining("moving"));

  // In use at the new server, asked at the old one.
  const here = storageIn(two.dataDir).workspace(orgId, workspace.agent_name);
  const { data: moved } = await person.api.workspaces.get({
    params: { agent_id: workspace.agent_id },
  });
  expect(moved.working_directory).toBe(here);
  await commitFiles(person, { ...workspace, working_directory: here }, { "new.txt": "new\n" });
  const files = await gitInRepository(
    two,
    project,
    "ls-tree",
    "-r",
    "--name-only",
    "-z",
    workspace.branch_name,
  );
  expect(files.split("\0")).toEqual(
    expect.arrayContaining(["new.txt", "renamed/a.txt", "renamed/sub/b.txt", "run.txt"]),
  );
  expect(files).not.toContain("gone");
  expect(await logOf()).toEqual(log);
  await person.api.workspaces.restore({ params: { agent_id: archived.workspace.agent_id } });
  const again = await person.api.runs.create({
    params: { agent_id: workspace.agent_id },
    body: { command: shell("cat $HOME/kept renamed/a.txt") },
  });
  expect(await waitForRunEnd(person, again.data.id)).toMatchObject({ exit_code: 0 });

  await moveTo(project, one);
  expect(await traces(two, project)).toEqual([]);
});

test("every acknowledged commit and push is there after moves forth and back", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const { workspace } = await makeWorkspace(at(one), project.id);
  const clones = await openCloneFactory();
  const key = await createGitKey(root);
  const clone = await clones.clone(`${one.url}${new URL(project.clone_url).pathname}`, key);
  const stop = new AbortController();
  const saved: string[] = [];
  const pushed: string[] = [];
  const agent_id = workspace.agent_id;
  const commit = async (): Promise<void> => {
    for (let count = 0; !stop.signal.aborted; count += 1) {
      const person = at(count % 2 === 0 ? one : two);
      for (const { dataDir } of [one, two]) {
        const folder = storageIn(dataDir).workspace(orgId, workspace.agent_name);
        await writeFile(join(folder, `f${count}.txt`), `${count}`).catch(() => undefined);
      }
      const body = { commit_type: "manual" } as const;
      await person.api.workspaces.createCommit({ params: { agent_id }, body }).then(
        ({ data }) => data && saved.push(data.commit_sha),
        () => undefined,
      );
    }
  };
  const push = async (): Promise<void> => {
    for (let count = 0; !stop.signal.aborted; count += 1) {
      const sha = await clone.commit({ [`p${count}.txt`]: `${count}` });
      if ((await clone.push("HEAD:main")).code === 0) pushed.push(sha);
    }
  };
  const working = [commit(), push()];
  const rounds = 8;
  for (let round = 0; round < rounds; round += 1) {
    await moveTo(project, round % 2 === 0 ? two : one);
  }
  stop.abort();
  await Promise.all(working);
  await clones.dispose();
  const node = rounds % 2 === 0 ? one : two;
  const onMain = await gitInRepository(node, project, "rev-list", "main");
  for (const sha of pushed) expect(onMain).toContain(sha);
  const onBranch = await gitInRepository(node, project, "rev-list", workspace.branch_name);
  for (const sha of saved) expect(onBranch).toContain(sha);
  expect(pushed.length).toBeGreaterThan(3);
  expect(saved.length).toBeGreaterThan(3);
  await gitInRepository(node, project, "fsck", "--full");
});

test("a project with a run in progress does not move, and one that moves is not moved again", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const { workspace } = await makeWorkspace(at(one), project.id);
  const params = paramsOf(project);
  const run = await at(one).api.runs.create({
    params: { agent_id: workspace.agent_id },
    body: { command: shell("sleep 60") },
  });
  await expectProblem(move(project, two), 409, "run_in_progress");
  await at(one).api.runs.stop({ params: { run_id: run.data.id } });
  await waitForRunEnd(at(one), run.data.id);

  const started = await move(project, two);
  expect(started).toMatchObject({
    project_id: project.id,
    state: "copying",
    from: { name: "one" },
    to: { name: "two" },
    frozen_at: null,
    finished_at: null,
  });
  await expectProblem(move(project, two), 409, "project_moving");
  await untilState(project, "done");
  const { data: ended } = await root.api.projectMoves.get({ params });
  expect(ended.bytes_copied).toBeGreaterThan(0);
  expect(ended.bytes_total).toBeGreaterThan(0);
  expect(ended.frozen_at).not.toBeNull();
  expect(ended.switched_at).not.toBeNull();
  await expectProblem(root.api.projectMoves.cancel({ params }), 409, "nothing_to_cancel");
  const { data: events } = await root.api.admin.auditEvents({ query: {} });
  expect(events[0]).toMatchObject({
    action: "project.move_started",
    target: { type: "project", id: project.id },
    changes: { server: { from: "one", to: "two" } },
  });
});

test("a node that is not the home starts no queued run", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const { workspace } = await makeWorkspace(at(one), project.id);
  const run = await at(one).api.runs.create({
    params: { agent_id: workspace.agent_id },
    body: { command: shell("true") },
  });
  const { status } = await waitForRunEnd(at(one), run.data.id);
  const setRunning = (node: TestApp) =>
    queryAsOwner(
      one,
      `with here as (select set_config('app.node', $1, true) as node)
        update runs set status = 'running', started_at = now() from here where id = $2 and here.node <> ''`,
      [node.db.node.id, run.data.id],
    );
  // For a runner, so that no node starts it.
  await queryAsOwner(
    one,
    `update runs set status = 'queued', started_at = null, ended_at = null, runner_labels = '{none}'
      where id = $1`,
    [run.data.id],
  );
  await expect(setRunning(two)).rejects.toThrow("not the home");
  await setRunning(one);
  await queryAsOwner(one, "update runs set status = $2, ended_at = now() where id = $1", [
    run.data.id,
    status,
  ]);
});

test("a project that is frozen for long is given back, and a move can be canceled until the end", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const params = paramsOf(project);
  // A server that holds its lease, but does nothing.
  await queryAsOwner(
    one,
    `insert into nodes (id, name, url, folder, lease_until)
      values (gen_random_uuid(), 'idle', 'http://127.0.0.1:1', '0:0', now() + interval '1 hour')`,
  );
  const freeze = async (): Promise<queries.MoveRow> => {
    await queryAsOwner(one, "delete from project_moves where project_id = $1", [project.id]);
    const [row] = await queryAsOwner<{ id: string }>(
      one,
      `insert into project_moves (project_id, id, from_node, to_node, state, attempt, frozen_at)
        select $1, gen_random_uuid(), f.id, t.id, 'freezing', gen_random_uuid(), now()
        from nodes f, nodes t where f.name = 'one' and t.name = 'idle' returning id`,
      [project.id],
    );
    await queryAsOwner(one, "update projects set home_node = null where id = $1", [project.id]);
    const move = await one.db.withSystem("", (tx) => queries.findMove(tx, String(row?.id)));
    return move as queries.MoveRow;
  };
  await takeBack(one, await freeze());
  await expectProblem(root.api.projects.get({ params }), 503, "home_unavailable");
  await queryAsOwner(
    one,
    "update project_moves set frozen_at = now() - interval '151 s' where project_id = $1",
    [project.id],
  );
  await expect.poll(() => homeOf(one, project).catch(() => null)).toBe("one");
  const { data: back } = await root.api.projectMoves.get({ params });
  expect(back).toMatchObject({ state: "copying", frozen_at: null });

  await freeze();
  const { data: canceled } = await root.api.projectMoves.cancel({ params });
  expect(canceled.state).toBe("canceled");
  expect(await homeOf(one, project)).toBe("one");
  await root.api.projects.get({ params });
  await queryAsOwner(one, "delete from project_moves where project_id = $1", [project.id]);
  await queryAsOwner(one, "delete from nodes where name = 'idle'");
});

test("a run that begins during the copy is waited for", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const { workspace } = await makeWorkspace(at(one), project.id);
  await move(project, two);
  const run = await at(one).api.runs.create({
    params: { agent_id: workspace.agent_id },
    body: { command: shell("sleep 3; echo end > end.txt") },
  });
  expect(await waitForRunEnd(at(one), run.data.id)).toMatchObject({ exit_code: 0 });
  await untilState(project, "done");
  const files = await gitInRepository(
    two,
    project,
    "ls-tree",
    "--name-only",
    workspace.branch_name,
  );
  expect(files).toContain("end.txt");
});

test("wrong servers, unknown projects and other callers are refused", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const params = paramsOf(project);
  const { projectMoves } = root.api;
  await expectProblem(projectMoves.get({ params }), 404, "not_found");
  await expectProblem(projectMoves.cancel({ params }), 404, "not_found");
  for (const node of ["three", root.id, "one"]) {
    await expectProblem(projectMoves.start({ params, body: { node } }), 422, "validation_failed");
  }
  const unknown = { project_id: root.id };
  const body = { node: "two" };
  await expectProblem(projectMoves.start({ params: unknown, body }), 404, "not_found");
  const others = ann.api.projectMoves;
  await expectProblem(others.start({ params, body }), 404, "not_found");
  await expectProblem(others.get({ params }), 404, "not_found");
  await expectProblem(others.cancel({ params }), 404, "not_found");
  await expectProblem(one.client().projectMoves.get({ params }), 401, "unauthenticated");

  await queryAsOwner(
    one,
    `insert into nodes (id, name, url, folder, lease_until)
      values (gen_random_uuid(), 'zero', 'http://127.0.0.1:1', '0:0', now())`,
  );
  await expectProblem(
    projectMoves.start({ params, body: { node: "zero" } }),
    409,
    "node_unavailable",
  );
  await queryAsOwner(one, "delete from nodes where name = 'zero'");
});

test("the files of a move are for its new server alone", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const [row] = await queryAsOwner<{ id: string }>(one, "select id from project_moves limit 1");
  for (const [method, what] of [
    ["GET", "list"],
    ["POST", "files"],
    ["POST", "freeze"],
  ] as const) {
    for (const headers of [{}, { "omoi-move": "e30.e30" }]) {
      const path = `/cluster/moves/${row?.id}/${what}`;
      const answer = await fetch(one.url + path, { method, headers });
      expect([what, answer.status]).toEqual([what, 404]);
    }
  }
  expect(await homeOf(one, project)).toBe("one");
});

test("requests in between are answered, or refused as unavailable", async () => {
  const project = await cluster.projectOn(one, root, orgId);
  const params = paramsOf(project);
  const seen = new Set<string>();
  const stop = new AbortController();
  const asking = [one, two].map(async (node) => {
    for (let count = 0; !stop.signal.aborted; count += 1) {
      const { projects } = at(node).api;
      const call =
        count % 2 === 0
          ? projects.get({ params })
          : projects.update({ params, body: { description: `${count}` } });
      await call.then(
        () => seen.add("200"),
        (error: unknown) => {
          const { problem } = error as { problem?: { code: string } };
          seen.add(problem?.code ?? String(error));
        },
      );
    }
  });
  await moveTo(project, two);
  await moveTo(project, one);
  stop.abort();
  await Promise.all(asking);
  expect([...seen].filter((item) => item !== "200" && item !== "home_unavailable")).toEqual([]);
});
