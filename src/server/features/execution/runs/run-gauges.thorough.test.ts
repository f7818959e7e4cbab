import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import {
  folderOf,
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { send } from "#test/support/http/raw-request.js";
import { samplesOf, scrapeAnew } from "#test/support/http/scrape.js";
import { makeRemote, startRemote } from "#test/support/runners/remote-workspaces.js";
import { insertCluster, insertRunner, reportRunner } from "#test/support/runners/runners.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

const METRIC = "omoi_run_queue_oldest_seconds";
const HOUR = 3600;

describe("the age of the oldest queued run", () => {
  let app: TestApp;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let runnerId: string;
  let agent: Agent;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    await queryAsOwner(app, "update runs set status = 'stopped', ended_at = now()");
    org = await makeOrganization(owner);
    project = await makeProject(owner, org.id);
    runnerId = await insertRunner(app, org.id);
    ({ agent } = await makeRemote(owner, project.id));
  });
  afterAll(() => app.close());

  /** Queues a run that has waited for an hour. */
  const queue = async (of = agent): Promise<void> => {
    await startRemote(owner, of, { queue: true });
    await queryAsOwner(
      app,
      "update runs set created_at = now() - interval '1 hour' where agent_id = $1 and status = 'queued'",
      [of.id],
    );
  };
  const lease = (of: Agent) =>
    owner.api.runs.create({ params: { agent_id: of.id }, body: { external: true } });
  const listen = () =>
    queryAsOwner(
      app,
      "update runners set waiting_until = now() + interval '1 hour' where id = $1",
      [runnerId],
    );
  /** The reasons with an age of at least an hour; the ages of the others must be 0. */
  const reasons = async (change?: () => Promise<unknown>): Promise<string[]> => {
    const samples = samplesOf(await scrapeAnew(app, change), METRIC);
    expect(samples.size).toBe(8);
    const old = [...samples].filter(([, age]) => age !== 0);
    expect(old.every(([, age]) => age >= HOUR)).toBe(true);
    return old.map(([labels]) => /^\{reason="(\w+)"\}$/.exec(labels)?.[1] ?? labels).toSorted();
  };

  test("is 0 for each reason while no run waits", async () => {
    expect(await reasons()).toEqual([]);
  });

  test("no_runner: no runner that could take it is online, or it is paused", async () => {
    await queue();
    expect(await reasons()).toEqual(["no_runner"]);
    await reportRunner(app, runnerId, 61);
    expect(await reasons()).toEqual(["no_runner"]);
    await reportRunner(app, runnerId);
    await queryAsOwner(app, "update runners set paused = true where id = $1", [runnerId]);
    expect(await reasons()).toEqual(["no_runner"]);
    await queryAsOwner(
      app,
      "update runners set paused = false, networks = '{full}' where id = $1",
      [runnerId],
    );
    expect(await reasons()).toEqual(["no_runner"]);
  });

  test("no_runner: the cluster is away", async () => {
    const inCluster = await makeAgent(owner, project.id);
    await insertCluster(app, 61);
    await owner.api.workspaces.create({
      params: { agent_id: inCluster.id },
      body: { workspace_type: "kubernetes" },
    });
    await queue(inCluster);
    expect(await reasons()).toEqual(["no_runner"]);
  });

  test("runners_busy and starting: without and with a runner that waits for it", async () => {
    await queue();
    await reportRunner(app, runnerId);
    expect(await reasons()).toEqual(["runners_busy"]);
    await listen();
    expect(await reasons()).toEqual(["starting"]);
  });

  test("quota and agent_busy: what a slot and the agent are used for", async () => {
    await owner.api.organizations.update({
      params: { org_id: org.id },
      body: { max_concurrent_agents: 1 },
    });
    const other = (await makeRemote(owner, project.id)).agent;
    await lease(other);
    await reportRunner(app, runnerId);
    await queue();
    expect(await reasons()).toEqual(["quota"]);
    await queue(other);
    expect(await reasons()).toEqual(["agent_busy", "quota"]);
  });

  test("no_server and draining: the home of the project is away", async () => {
    await queue();
    const move = (home: string | null) =>
      queryAsOwner(app, "update projects set home_node = $1 where id = $2", [home, project.id]);
    const [own] = await queryAsOwner<{ id: string }>(app, "select id from nodes");
    const reasonsAway = async (draining: boolean): Promise<string[]> => {
      const found = await reasons(async () => {
        await queryAsOwner(
          app,
          `insert into nodes (id, name, url, folder, lease_until, draining)
           values ($1, 'away', 'http://127.0.0.1:1', '0:0', now() - interval '1 minute', $2)`,
          ["019a0000-0000-7000-8000-00000000000a", draining],
        );
        await move("019a0000-0000-7000-8000-00000000000a");
      });
      await move(own?.id ?? "");
      await queryAsOwner(app, "delete from nodes where name = 'away'");
      return found;
    };
    expect(await reasonsAway(false)).toEqual(["no_server"]);
    expect(await reasonsAway(true)).toEqual(["draining"]);
    // It is moving to another server.
    await move(null);
    expect(await reasons()).toEqual(["draining"]);
  });

  test("environment: a build is under way", async () => {
    const build = "019a0000-0000-7000-8000-00000000000b";
    await queue();
    await queryAsOwner(
      app,
      `insert into environment_builds (id, org_id, project_id, key, branch, commit_sha, definition, status)
       values ($1, $2, $3, 'key', 'main', repeat('0', 40), '{}', 'running')`,
      [build, org.id, project.id],
    );
    await queryAsOwner(
      app,
      `update workspaces set environment_state = 'waiting', environment_build_id = $1 where agent_id = $2`,
      [build, agent.id],
    );
    expect(await reasons()).toEqual(["environment"]);
  });

  test("is that of the oldest one of all organizations", async () => {
    await queue();
    const stranger = await makeOrganization(owner);
    await insertRunner(app, stranger.id);
    const theirs = (await makeRemote(owner, (await makeProject(owner, stranger.id)).id)).agent;
    await queue(theirs);
    await queryAsOwner(
      app,
      "update runs set created_at = now() - interval '2 hours' where agent_id = $1",
      [theirs.id],
    );
    const samples = samplesOf(await scrapeAnew(app), METRIC);
    expect(samples.get('{reason="no_runner"}')).toBeGreaterThanOrEqual(2 * HOUR);
  });
});

test("draining: the server waits for its last runs before it stops", async () => {
  const app = await startTestApp({ OMOI_SHUTDOWN_RUNS: "drain" }, "real");
  const owner = await app.person("Ada");
  const org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  await owner.api.organizations.update({
    params: { org_id: org.id },
    body: { max_concurrent_agents: 1 },
  });
  const [one, two] = [
    await makeWorkspace(owner, project.id),
    await makeWorkspace(owner, project.id),
  ];
  const start = async ({ id }: Agent, command: string[]) =>
    (await owner.api.runs.create({ params: { agent_id: id }, body: { command, queue: true } }))
      .data;
  const last = await start(one.agent, shell("until [ -e go ]; do sleep 0.02; done"));
  await start(two.agent, ["true"]);
  await queryAsOwner(
    app,
    "update runs set created_at = now() - interval '1 hour' where status = 'queued'",
  );
  const closed = app.close();
  const { text } = await send(app, "GET", "/metrics");
  expect(samplesOf(text, METRIC).get('{reason="draining"}')).toBeGreaterThanOrEqual(HOUR);
  expect(samplesOf(text, METRIC).get('{reason="quota"}')).toBe(0);
  await writeFile(join(folderOf(one.workspace), "go"), "");
  await waitForRunEnd(owner, last.id).catch(() => {});
  await closed;
});
