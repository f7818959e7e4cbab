import type { V1Job, V1NetworkPolicy, V1Secret } from "@kubernetes/client-node";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import {
  makeInCluster,
  openClusterOfTest,
  runnerInPod,
  type ClusterOfTest,
} from "#test/support/kubernetes/cluster-of-test.js";
import {
  startScriptedKubernetes,
  type Fault,
  type ScriptedKubernetes,
} from "#test/support/kubernetes/scripted-api.js";
import { startRemote } from "#test/support/runners/remote-workspaces.js";
import { sharedTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import type { ClusterApi } from "./api/cluster-api.js";

describe("a pass over the runs of the cluster", () => {
  let app: TestApp;
  let kubernetes: ScriptedKubernetes;
  let cluster: ClusterOfTest;
  let owner: TestPerson;
  let agent: Agent;
  beforeAll(async () => {
    app = await sharedTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    kubernetes = await startScriptedKubernetes();
    cluster = await openClusterOfTest(app, kubernetes);
    const org = await makeOrganization(owner);
    const project = await makeProject(owner, org.id);
    await cluster.pass();
    agent = await makeInCluster(owner, project.id);
  });
  afterEach(() => kubernetes.dispose());

  const start = (): Promise<Run> => startRemote(owner, agent);

  /** Checks that a run has one pod, with everything it needs, and ends it. */
  const executeAndEnd = async ({ id }: Run): Promise<void> => {
    const [job, ...others] = kubernetes.list<V1Job>("jobs");
    expect(others).toEqual([]);
    expect(job?.spec?.suspend).toBe(false);
    const owned = [
      kubernetes.list<V1Secret>("secrets"),
      kubernetes.list<V1NetworkPolicy>("networkpolicies"),
    ];
    for (const [only, ...more] of owned) {
      expect(more).toEqual([]);
      expect(only?.metadata?.ownerReferences?.[0]?.uid).toBe(job?.metadata?.uid);
    }
    const runner = runnerInPod(kubernetes, app, id);
    expect((await runner.start(id)).status).toBe(200);
    expect((await runner.end(id)).status).toBe(204);
  };
  const expectNothingLeft = async ({ id }: Run): Promise<void> => {
    for (const kind of ["jobs", "secrets", "networkpolicies", "pods"]) {
      expect(kubernetes.list(kind)).toEqual([]);
    }
    const { rows } = await app.db.systemPool.query(
      "select id from runs where id = $1 and job_token_hash is not null",
      [id],
    );
    expect(rows).toEqual([]);
  };

  const faults: [string, Fault][] = [
    ["refused", { status: 500, message: "no" }],
    ["lost before its effect", "cut request"],
    ["lost after its effect", "cut answer"],
  ];
  test.each(faults)("can be repeated when any of its calls is %s", async (_name, fault) => {
    for (let nth = 0, hasFailed = true; hasFailed; nth += 1) {
      hasFailed = false;
      const first = kubernetes.calls.length;
      kubernetes.fault = (_call, number) => {
        if (number !== first + nth) return "none";
        hasFailed = true;
        return fault;
      };
      const run = await start();
      // Twice, in case the first one ends early.
      for (let passes = 0; passes < 3; passes += 1) await cluster.pass().catch(() => undefined);
      await executeAndEnd(run);
      for (let passes = 0; passes < 3; passes += 1) await cluster.pass().catch(() => undefined);
      await expectNothingLeft(run);
    }
    expect(kubernetes.calls.length).toBeGreaterThan(20);
  });

  test("can be continued by another process after the death of its own at any call", async () => {
    /** The API of a process that dies before, or just after, its nth call. */
    const dying = (nth: number, isAfter: boolean, died: () => void): ClusterApi => {
      let calls = 0;
      const mortal = async <Result>(call: () => Promise<Result>): Promise<Result> => {
        calls += 1;
        if (calls !== nth) return call();
        if (isAfter) await call();
        died();
        return new Promise(() => {});
      };
      const { api } = cluster;
      return {
        host: api.host,
        listJobs: (selector) => mortal(() => api.listJobs(selector)),
        listPods: (selector) => mortal(() => api.listPods(selector)),
        createJob: (job) => mortal(() => api.createJob(job)),
        resumeJob: (name, uid) => mortal(() => api.resumeJob(name, uid)),
        deleteJob: (name, uid) => mortal(() => api.deleteJob(name, uid)),
        createSecret: (secret) => mortal(() => api.createSecret(secret)),
        createNetworkPolicy: (policy) => mortal(() => api.createNetworkPolicy(policy)),
      };
    };
    /** Returns whether the process died. */
    const passAndDie = (nth: number, isAfter: boolean): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const api = dying(nth, isAfter, () => resolve(true));
        cluster.pass(api).then(() => resolve(false), reject);
      });
    let deaths = 0;
    for (const isAfter of [false, true]) {
      for (let nth = 1, hasDied = true; hasDied; nth += 1) {
        const run = await start();
        hasDied = await passAndDie(nth, isAfter);
        if (hasDied) deaths += 1;
        await cluster.pass();
        await executeAndEnd(run);
        if (await passAndDie(nth, isAfter)) hasDied = true;
        await cluster.pass();
        await cluster.pass();
        await expectNothingLeft(run);
      }
    }
    // Each of the calls of a start: list, create four objects' steps.
    expect(deaths).toBeGreaterThanOrEqual(10);
  });

  test("makes one Job for a run, although several processes make passes at once", async () => {
    const others = await Promise.all(
      Array.from({ length: 4 }, () => openClusterOfTest(app, kubernetes)),
    );
    for (let round = 0; round < 5; round += 1) {
      const run = await start();
      await Promise.all(others.map((item) => item.pass()));
      await Promise.all(others.map((item) => item.pass()));
      await executeAndEnd(run);
      await Promise.all(others.map((item) => item.pass()));
      await Promise.all(others.map((item) => item.pass()));
      await expectNothingLeft(run);
    }
  });
});
