import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
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

  test("starts runs, and removes the Jobs of those that ended", async () => {
    await startServer();
    const run = await startRemote(owner, agent);
    const runner = await pod(run);
    expect((await runner.start(run.id)).status).toBe(200);
    await runner.end(run.id);
    await expectNoJobs();
    // The host of the server in the pods, without a name server.
    const { rows } = await app.db.systemPool.query<{ networks: string[]; seen: boolean }>(
      "select networks, last_seen_at is not null as seen from runners where kind = 'cluster'",
    );
    expect(rows).toEqual([{ networks: ["none", "full"], seen: true }]);
  });
});
