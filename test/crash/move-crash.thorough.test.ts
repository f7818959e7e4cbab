/** Servers that are killed right before each step of a move is committed, while pushes go on. */
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { MoveState } from "#shared/api/operation/project-moves.js";
import type { Project } from "#shared/api/code/projects.js";
import { databaseUrlOf, queryAsOwner } from "../support/database/queries.js";
import { makeOrganization, makeProject } from "../support/fixtures/factories.js";
import { createGitKey, openCloneFactory, type Clone } from "../support/git/clone.js";
import { gitInRepository } from "../support/git/git.js";
import { startTestApp, type TestApp, type TestPerson } from "../support/server/app.js";
import { clusterEnv } from "../support/server/cluster-env.js";
import { homeOf } from "../support/server/cluster.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import { startServer, type ServerProcess } from "../support/server/server-process.js";

vi.setConfig({ testTimeout: 1_800_000, hookTimeout: 120_000 });

/** The lock at which a step waits for its kill. */
const STEP = 4242;

interface Node {
  name: string;
  dataDir: string;
  env: Record<string, string>;
  server: ServerProcess;
}
let app: TestApp;
let root: TestPerson;
let project: Project;
let clone: Clone;
let disposeClones = async (): Promise<void> => {};
const nodes = new Map<string, Node>();

const start = async (node: Omit<Node, "server">): Promise<void> => {
  const server = startServer({
    OMOI_DATABASE_URL: databaseUrlOf(app),
    OMOI_SECRET: app.config.secret,
    OMOI_DATA_DIR: node.dataDir,
    ...node.env,
  });
  nodes.set(node.name, { ...node, server });
  await server.ready;
};
beforeAll(async () => {
  app = await startTestApp(await clusterEnv("zero"));
  for (const name of ["one", "two"]) {
    const dataDir = await mkdtemp(join(tmpdir(), `omoi-move-${name}-`));
    await start({ name, dataDir, env: await clusterEnv(name) });
  }
  root = await app.person("root");
  const { id } = await makeOrganization(root);
  do project = await makeProject(root, id);
  while ((await homeOf(app, project)) === "zero");
  const clones = await openCloneFactory();
  disposeClones = clones.dispose;
  const key = await createGitKey(root);
  clone = await clones.clone(app.url + new URL(project.clone_url).pathname, key);
  await queryAsOwner(
    app,
    `create function wait_at_step() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(${STEP}); return null; end $$`,
  );
});
afterAll(async () => {
  for (const { server, dataDir } of nodes.values()) {
    server.process.kill("SIGTERM");
    await server.ended;
    await removeDataFolder(dataDir);
  }
  await disposeClones();
  await app.close();
});

const nodeNamed = (name: string): Node => {
  const node = nodes.get(name);
  if (!node) throw new Error(`no node ${name}`);
  return node;
};
const params = (): { project_id: string } => ({ project_id: project.id });

/** Kills a server right before the step to a state is committed, and starts it again. */
async function killAtStep(state: MoveState, victim: string): Promise<void> {
  await queryAsOwner(
    app,
    `create trigger wait_at_step after update on project_moves for each row
    when (new.state = '${state}') execute function wait_at_step()`,
  );
  const holder = new pg.Client(app.owner);
  await holder.connect();
  await holder.query("select pg_advisory_lock($1)", [STEP]);
  const from = await homeOf(app, project);
  const to = from === "one" ? "two" : "one";
  await root.api.projectMoves.start({ params: params(), body: { node: to } });
  await vi.waitFor(
    async () => {
      const { rows } = await holder.query(
        "select from pg_locks where locktype = 'advisory' and objid = $1 and not granted",
        [STEP],
      );
      expect(rows.length).toBeGreaterThan(0);
    },
    { timeout: 120_000, interval: 20 },
  );
  const node = nodeNamed(victim === "from" ? from : to);
  node.server.process.kill("SIGKILL");
  await node.server.ended;
  // Its transaction is rolled back, since its connection is gone.
  await holder.end();
  await queryAsOwner(app, "drop trigger wait_at_step on project_moves");
  await start(node);
  await vi.waitFor(
    async () => {
      const { data } = await root.api.projectMoves.get({ params: params() });
      expect([data.state, data.error]).toEqual(["done", null]);
    },
    { timeout: 120_000, interval: 100 },
  );
  expect(await homeOf(app, project)).toBe(to);
  const earlier = nodeNamed(from).dataDir;
  const kept = await readdir(join(earlier, "repositories", project.organization_id));
  expect(kept.filter((name) => name.includes(project.id))).toEqual([]);
  expect(await readdir(join(nodeNamed(to).dataDir, "moving")).catch(() => [])).toEqual([]);
}

const steps: readonly MoveState[] = ["copying", "freezing", "switching", "cleaning", "done"];
const all = steps.flatMap((state) => [[state, "from"] as const, [state, "to"] as const]);

test("no acknowledged push is lost, and one copy is left, at whatever step a server is killed", async () => {
  const stop = new AbortController();
  const pushed: string[] = [];
  const pushing = (async () => {
    for (let count = 0; !stop.signal.aborted; count += 1) {
      const sha = await clone.commit({ [`p${count}.txt`]: `${count}` });
      if ((await clone.push("HEAD:main")).code === 0) pushed.push(sha);
      else await pause(100);
    }
  })();
  try {
    for (const [state, victim] of all) await killAtStep(state, victim);
    // The last pushes work.
    const count = pushed.length;
    await vi.waitFor(() => expect(pushed.length).toBeGreaterThan(count + 1), { timeout: 120_000 });
  } finally {
    stop.abort();
    await pushing;
  }
  const home = { dataDir: nodeNamed(await homeOf(app, project)).dataDir };
  const commits = await gitInRepository(home, project, "rev-list", "main");
  for (const sha of pushed) expect(commits).toContain(sha);
  await gitInRepository(home, project, "fsck", "--full");
});
