// Thorough: several servers, restarts and outages.
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { waitForRun } from "#test/support/fixtures/runs.js";
import { makeInCluster, runnerInPod } from "#test/support/kubernetes/cluster-of-test.js";
import {
  NAMESPACE,
  startScriptedKubernetes,
  type ScriptedKubernetes,
} from "#test/support/kubernetes/scripted-api.js";
import { startRemote } from "#test/support/runners/remote-workspaces.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";

const settings = {
  OMOI_KUBERNETES_NAMESPACE: NAMESPACE,
  OMOI_KUBERNETES_IMAGE: "registry.example.com/omoi:0.2",
  OMOI_KUBERNETES_SERVER_URL: "http://localhost:8080",
  OMOI_KUBERNETES_SERVER_PODS: "app.kubernetes.io/name=omoi",
};
const within = { timeout: 120_000, interval: 50 };

describe("a server with a cluster", () => {
  let kubernetes: ScriptedKubernetes;
  /** Has no cluster in its configuration. */
  let app: TestApp;
  let owner: TestPerson;
  let agent: Agent;
  const servers: TestApp[] = [];
  beforeAll(async () => {
    kubernetes = await startScriptedKubernetes();
    vi.stubEnv("KUBECONFIG", kubernetes.kubeConfig);
    app = await startTestApp();
    owner = await app.person("Ada");
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    await (await startServer()).close();
    servers.length = 0;
    agent = await makeInCluster(owner, project.id);
  });
  afterEach(async () => {
    await Promise.all(servers.splice(0).map((server) => server.close()));
  });
  afterAll(async () => {
    await app.close();
    await kubernetes.dispose();
    vi.unstubAllEnvs();
  });

  const startServer = async (): Promise<TestApp> => {
    const server = await app.sibling(settings);
    servers.push(server);
    // Registered, at the latest.
    await vi.waitFor(async () => {
      const { rows } = await app.db.systemPool.query("select from runners where kind = 'cluster'");
      expect(rows).toHaveLength(1);
    }, within);
    return server;
  };
  const jobs = () => kubernetes.list("jobs");
  const pod = (run: Run) => vi.waitFor(() => runnerInPod(kubernetes, app, run.id), within);
  const expectNoJobs = () => vi.waitFor(() => expect(jobs()).toEqual([]), within);

  test("goes on where another one has stopped", async () => {
    const first = await startServer();
    const run = await startRemote(owner, agent);
    const runner = await pod(run);
    await first.close();
    servers.length = 0;
    expect((await runner.start(run.id)).status).toBe(200);
    await startServer();
    expect(await runner.heartbeat(run.id)).toMatchObject({ state: "run" });
    await runner.end(run.id);
    await expectNoJobs();
  });

  test("shares the work with others of the installation", async () => {
    await Promise.all([startServer(), startServer()]);
    for (let round = 0; round < 3; round += 1) {
      const run = await startRemote(owner, agent);
      const runner = await pod(run);
      expect(jobs()).toHaveLength(1);
      expect((await runner.start(run.id)).status).toBe(200);
      await runner.end(run.id);
      await expectNoJobs();
    }
  });

  test("says that the cluster cannot be reached, and goes on when it answers", async () => {
    await startServer();
    await kubernetes.close();
    onTestFinished(() => kubernetes.open().catch(() => undefined));
    const run = await startRemote(owner, agent);
    const waiting = await waitForRun(owner, run.id, ({ detail }) =>
      Boolean(detail?.startsWith("The cluster cannot be reached")),
    );
    expect(waiting.status).toBe("queued");
    expect(waiting.detail).toContain("ECONNREFUSED");
    await kubernetes.open();
    const runner = await pod(run);
    expect((await runner.start(run.id)).status).toBe(200);
    await runner.end(run.id);
    await expectNoJobs();
  });
});
