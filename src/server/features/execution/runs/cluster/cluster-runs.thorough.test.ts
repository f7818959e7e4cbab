import type { V1Job, V1NetworkPolicy, V1Pod, V1Secret } from "@kubernetes/client-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Agent } from "#shared/api/work/agents.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { gitInRepository } from "#test/support/git/git.js";
import {
  expireClaims,
  makeInCluster,
  openClusterOfTest,
  podOf,
  runnerInPod,
  type ClusterOfTest,
} from "#test/support/kubernetes/cluster-of-test.js";
import {
  SERVER_RULES,
  startScriptedKubernetes,
  type ScriptedKubernetes,
} from "#test/support/kubernetes/scripted-api.js";
import { startRemote } from "#test/support/runners/remote-workspaces.js";
import { openRunRepository } from "#test/support/runners/run-repository.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { LABELS } from "./manifests/names.js";

describe("runs in the cluster", () => {
  let app: TestApp;
  let kubernetes: ScriptedKubernetes;
  let cluster: ClusterOfTest;
  let owner: TestPerson;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("Ada");
  });
  beforeEach(async () => {
    kubernetes = await startScriptedKubernetes();
    cluster = await openClusterOfTest(app, kubernetes);
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
    // Registers the cluster.
    await cluster.pass();
    agent = await makeInCluster(owner, project.id);
  });
  afterEach(async () => {
    // The server needs no further rights.
    const forbidden = kubernetes.calls.filter(({ status }) => status === 403);
    if (kubernetes.rules === SERVER_RULES) expect(forbidden).toEqual([]);
    await queryAsOwner(
      app,
      "update runs set status = 'stopped', ended_at = now(), job_token_hash = null, token_hash = null, lease_expires_at = null where in_cluster and ended_at is null",
    );
    await queryAsOwner(app, "update runners set paused = false");
    await kubernetes.dispose();
  });
  afterAll(() => app.close());

  const start = (body: Partial<NewRun> = {}, by = agent) => startRemote(owner, by, body);
  const get = async ({ id }: Pick<Run, "id">): Promise<Run> =>
    (await owner.api.runs.get({ params: { run_id: id } })).data;
  const stop = ({ id }: Pick<Run, "id">) =>
    owner.api.runs.stop({ params: { run_id: id }, body: {} });
  const jobs = () => kubernetes.list<V1Job>("jobs");
  const hasToken = async ({ id }: Pick<Run, "id">): Promise<boolean> => {
    const { rows } = await app.db.systemPool.query<{ found: boolean }>(
      "select job_token_hash is not null as found from runs where id = $1",
      [id],
    );
    return rows[0]?.found ?? false;
  };
  /** A run whose pod has started it. */
  const startInPod = async (body: Partial<NewRun> = {}) => {
    const run = await start(body);
    await cluster.pass();
    const runner = runnerInPod(kubernetes, app, run.id);
    const { status, body: job } = await runner.start(run.id);
    expect(status).toBe(200);
    return { run, runner, job };
  };

  test("are executed by the pod of a Job, and leave nothing in the cluster", async () => {
    const run = await start();
    expect(run).toMatchObject({ status: "queued", detail: "Waiting for the cluster." });
    await cluster.pass();
    const [job, ...others] = jobs();
    expect(others).toEqual([]);
    expect(job?.metadata?.name).toBe(`omoi-run-${run.id}`);
    expect(job?.spec?.suspend).toBe(false);
    const [policy] = kubernetes.list<V1NetworkPolicy>("networkpolicies");
    const [secret] = kubernetes.list<V1Secret>("secrets");
    for (const owned of [policy, secret]) {
      expect(owned?.metadata?.ownerReferences?.[0]?.uid).toBe(job?.metadata?.uid);
      expect(owned?.metadata?.labels).toEqual(job?.metadata?.labels);
    }
    expect(policy?.spec?.podSelector?.matchLabels).toEqual({ [LABELS.run]: run.id });
    expect(podOf(kubernetes, run.id).metadata?.labels).toMatchObject({ [LABELS.run]: run.id });
    expect((await get(run)).detail).toBe("The cluster is starting it.");

    const runner = runnerInPod(kubernetes, app, run.id);
    const { body: started } = await runner.start(run.id);
    expect(started).toMatchObject({ run_id: run.id, command: ["make", "test"] });
    expect(await runner.heartbeat(run.id)).toMatchObject({ state: "run" });
    await cluster.pass();
    expect(await get(run)).toMatchObject({ status: "running", runner: { name: "kubernetes" } });
    const repository = await openRunRepository(app, runner, started);
    const commit = await repository.commit({ "b.txt": "made in a pod\n" });
    expect((await repository.send(true)).body).toMatchObject({ tip: commit, error: null });
    await repository.dispose();
    expect((await runner.end(run.id)).status).toBe(204);
    expect(await get(run)).toMatchObject({ status: "succeeded", repository: { commits: 1 } });
    const branch = `refs/heads/${started.branch}`;
    expect(await gitInRepository(app, project, "rev-parse", branch)).toBe(commit);

    await cluster.pass();
    expect(jobs()).toEqual([]);
    for (const kind of ["secrets", "networkpolicies", "pods"]) {
      expect(kubernetes.list(kind)).toEqual([]);
    }
    // The end may have to be repeated until the Job is gone.
    expect((await runner.end(run.id)).status).toBe(204);
    await cluster.pass();
    expect(await hasToken(run)).toBe(false);
    expect(await cluster.pass()).toBe(false);
    expect((await runner.end(run.id)).status).toBe(401);
  });

  test("have tokens that open their own run only", async () => {
    const other = await start({}, await makeInCluster(owner, project.id));
    const { run, runner } = await startInPod();
    expect((await runner.start(other.id)).status).toBe(404);
    expect((await runner.end(other.id)).status).toBe(404);
    expect(await runner.heartbeat(other.id)).toEqual({ run_id: other.id, state: "gone" });
    const asked = {
      protocol: 1,
      labels: [],
      networks: [],
      slots: 1,
      free: 1,
      version: "",
      host: "",
    };
    const offers = await runner.send("POST", "/offers", { body: { ...asked, wait_seconds: 0 } });
    expect(offers.status).toBe(404);
    expect(await runner.heartbeat(run.id)).toMatchObject({ state: "run" });
  });

  test("get the image and the resources of their project", async () => {
    const containers = { image: "python:3.13", cpus: 0.5, memory_mib: 256, disk_mib: null };
    await queryAsOwner(app, "update projects set kubernetes = $2 where id = $1", [
      project.id,
      JSON.stringify(containers),
    ]);
    const { run, job } = await startInPod();
    const [, command] = podOf(kubernetes, run.id).spec?.containers ?? [];
    expect(command?.image).toBe("python:3.13");
    expect(command?.resources?.limits).toMatchObject({ cpu: "500m", memory: String(2 ** 28) });
    expect(job.limits).toMatchObject({ cpus: 0.5, memory_bytes: 2 ** 28 });
    expect((await get(run)).limits).toMatchObject({ cpus: 0.5, memory_bytes: 2 ** 28 });
  });

  test("that are stopped while queued lose their Job", async () => {
    const run = await start();
    await cluster.pass();
    const runner = runnerInPod(kubernetes, app, run.id);
    await stop(run);
    await cluster.pass();
    expect(jobs()).toEqual([]);
    await cluster.pass();
    expect(await hasToken(run)).toBe(false);
    expect((await runner.start(run.id)).status).toBe(401);
    expect(await get(run)).toMatchObject({ status: "stopped", started_at: null });
  });

  test("are stopped through their runner, also with their agent", async () => {
    const { run, runner } = await startInPod();
    const stopping = stop(run);
    await expect.poll(() => runner.heartbeat(run.id)).toMatchObject({ state: "stop" });
    await runner.end(run.id, { outcome: "stopped", exit_code: null, detail: "Stopped." });
    expect((await stopping).data.status).toBe("stopped");
    const next = await startInPod();
    const deleting = owner.api.agents.delete({ params: { agent_id: agent.id } });
    await expect.poll(() => next.runner.heartbeat(next.run.id)).toMatchObject({ state: "stop" });
    await next.runner.end(next.run.id, { outcome: "stopped", exit_code: null, detail: "Stopped." });
    await deleting;
    await cluster.pass();
    expect(jobs()).toEqual([]);
  });

  test("of a deleted project lose their Jobs", async () => {
    const run = await start();
    await cluster.pass();
    expect(jobs()).toHaveLength(1);
    await owner.api.projects.delete({ params: { project_id: project.id } });
    await expectProblem(owner.api.runs.get({ params: { run_id: run.id } }), 404, "not_found");
    await cluster.pass();
    expect(jobs()).toEqual([]);
  });

  test("say why their pod waits, and end when it waits for too long", async () => {
    const run = await start();
    await cluster.pass();
    const { name } = podOf(kubernetes, run.id);
    kubernetes.setPod(name, {
      phase: "Pending",
      conditions: [
        {
          type: "PodScheduled",
          status: "False",
          reason: "Unschedulable",
          message: "0/3 nodes are available: 3 Insufficient memory.",
        },
      ],
    });
    await cluster.pass();
    expect((await get(run)).detail).toBe(
      "No node of the cluster takes its pod: 0/3 nodes are available: 3 Insufficient memory.",
    );
    const waiting = { reason: "ImagePullBackOff", message: 'Back-off pulling image "node:22"' };
    const command = { name: "command", image: "node:22", state: { waiting } };
    const rest = { imageID: "", ready: false, restartCount: 0 };
    kubernetes.setPod(name, { phase: "Pending", containerStatuses: [{ ...command, ...rest }] });
    await cluster.pass();
    const detail = 'The image node:22 cannot be pulled: Back-off pulling image "node:22".';
    expect((await get(run)).detail).toBe(detail);
    await expireClaims(app);
    await cluster.pass();
    expect(await get(run)).toMatchObject({
      status: "failed",
      started_at: null,
      detail: `The cluster has not started it within 15 minutes. ${detail}`,
    });
    await cluster.pass();
    expect(jobs()).toEqual([]);
  });

  test("end when their pod can never start", async () => {
    const broken = await start();
    await cluster.pass();
    const waiting = { reason: "InvalidImageName", message: "couldn't parse image" };
    const rest = { imageID: "", ready: false, restartCount: 0 };
    kubernetes.setPod(podOf(kubernetes, broken.id).name, {
      phase: "Pending",
      containerStatuses: [{ name: "command", image: "Node:22", state: { waiting }, ...rest }],
    });
    await cluster.pass();
    expect(await get(broken)).toMatchObject({
      status: "failed",
      detail: "The image Node:22 has an invalid name.",
    });
    const exiting = await start();
    await cluster.pass();
    const terminated = { exitCode: 1, reason: "Error", message: "The server cannot be reached.\n" };
    kubernetes.setPod(podOf(kubernetes, exiting.id).name, {
      phase: "Running",
      containerStatuses: [{ name: "runner", image: "omoi", state: { terminated }, ...rest }],
    });
    await cluster.pass();
    expect(await get(exiting)).toMatchObject({
      status: "failed",
      detail: 'The container "runner" has failed: The server cannot be reached.',
    });
    const refused = await start();
    await queryAsOwner(app, "update projects set kubernetes = $2 where id = $1", [
      project.id,
      JSON.stringify({ image: " " }),
    ]);
    await cluster.pass();
    const { status, detail } = await get(refused);
    expect([status, detail]).toEqual(["failed", expect.stringContaining("image is missing")]);
  });

  test("end with the reason when their pod fails", async () => {
    const failures = [
      [
        "Its pod was evicted: The node was low on resource: memory.",
        {
          pod: {
            phase: "Failed",
            reason: "Evicted",
            message: "The node was low on resource: memory. ",
          },
        },
      ],
      [
        'The container "runner" has exceeded its memory.',
        {
          pod: {
            phase: "Failed",
            containerStatuses: [
              {
                name: "runner",
                image: "omoi",
                imageID: "",
                ready: false,
                restartCount: 0,
                state: { terminated: { exitCode: 137, reason: "OOMKilled" } },
              },
            ],
          },
        },
      ],
      [
        "Its Job has exceeded its deadline.",
        { job: { conditions: [{ type: "Failed", status: "True", reason: "DeadlineExceeded" }] } },
      ],
    ] as const;
    for (const [detail, found] of failures) {
      const { run } = await startInPod();
      if ("pod" in found)
        kubernetes.setPod(podOf(kubernetes, run.id).name, structuredClone(found.pod) as never);
      else kubernetes.setJob(`omoi-run-${run.id}`, structuredClone(found.job) as never);
      await cluster.pass();
      expect(await get(run)).toMatchObject({ status: "lost", detail });
      await cluster.pass();
      expect(jobs()).toEqual([]);
    }
  });

  test("bring their work while the cluster ends their pod, and are over when it is gone", async () => {
    const { run, runner } = await startInPod();
    const running = { name: "runner", image: "omoi", state: { running: {} } };
    const rest = { imageID: "", ready: true, restartCount: 0 };
    kubernetes.setPod(podOf(kubernetes, run.id).name, {
      phase: "Running",
      containerStatuses: [{ ...running, ...rest }],
    });
    kubernetes.changeList = (resource, list) => {
      const changed = structuredClone(list);
      for (const pod of resource === "pods" ? (changed.items as V1Pod[]) : []) {
        Object.assign(pod.metadata ?? {}, { deletionTimestamp: new Date() });
      }
      return changed;
    };
    // The controller of Jobs counts a pod as failed from its deletion on.
    kubernetes.setJob(`omoi-run-${run.id}`, {
      conditions: [{ type: "FailureTarget", status: "True", message: "A pod was deleted" }],
    });
    await cluster.pass();
    expect(await get(run)).toMatchObject({ status: "running" });
    expect((await runner.end(run.id)).status).toBe(204);
    expect(await get(run)).toMatchObject({ status: "succeeded" });
    kubernetes.changeList = (_resource, list) => list;
    await cluster.pass();
    expect(jobs()).toEqual([]);
  });

  test("wait for room for as long as others use it, and end when no one does", async () => {
    const [first, second] = [
      await start(),
      await start({}, await makeInCluster(owner, project.id)),
    ];
    await cluster.pass();
    const runner = runnerInPod(kubernetes, app, first.id);
    await runner.start(first.id);
    const message = "0/3 nodes are available: 3 Insufficient memory.";
    kubernetes.setPod(podOf(kubernetes, second.id).name, {
      phase: "Pending",
      conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable", message }],
    });
    for (let claim = 0; claim < 2; claim += 1) {
      await expireClaims(app);
      await cluster.pass();
      expect(await get(second)).toMatchObject({ status: "queued" });
    }
    await runner.end(first.id);
    await expireClaims(app);
    await cluster.pass();
    expect(await get(second)).toMatchObject({
      status: "failed",
      detail: `The cluster has not started it within 15 minutes. No node of the cluster takes its pod: ${message}`,
    });
  });

  test("end when the cluster refuses their objects, and others start", async () => {
    const refused = await start();
    const message =
      'admission webhook "policy.example.com" denied the request: no images of others';
    let isRefused = true;
    kubernetes.fault = ({ verb, resource }) => {
      if (!isRefused || verb !== "create" || resource !== "jobs") return "none";
      return { status: 403, message };
    };
    await cluster.pass();
    isRefused = false;
    expect(await get(refused)).toMatchObject({
      status: "failed",
      detail: expect.stringContaining("policy.example.com") as string,
    });
    kubernetes.calls.length = 0;
    const next = await start();
    await cluster.pass();
    expect(podOf(kubernetes, next.id)).toBeDefined();
    await cluster.pass();
    expect(jobs()).toHaveLength(1);
  });

  test("are not held up by a Job that cannot be deleted", async () => {
    const stopped = await start();
    await cluster.pass();
    await stop(stopped);
    const next = await start({}, await makeInCluster(owner, project.id));
    kubernetes.fault = ({ verb, name }) =>
      verb === "delete" && name?.includes(stopped.id) === true
        ? { status: 500, message: "etcdserver: request timed out" }
        : "none";
    await cluster.pass();
    expect((await get(next)).detail).toBe("The cluster is starting it.");
    expect(await hasToken(stopped)).toBe(true);
    kubernetes.fault = () => "none";
    await cluster.pass();
    await cluster.pass();
    expect(jobs().map(({ metadata }) => metadata?.name)).toEqual([`omoi-run-${next.id}`]);
    expect(await hasToken(stopped)).toBe(false);
  });

  test("go on while the command's container has ended and the runner reports it", async () => {
    const { run, runner } = await startInPod();
    const rest = { image: "", imageID: "", ready: false, restartCount: 0 };
    kubernetes.setPod(podOf(kubernetes, run.id).name, {
      phase: "Running",
      containerStatuses: [
        { name: "runner", state: { running: {} }, ...rest },
        { name: "command", state: { terminated: { exitCode: 137, reason: "OOMKilled" } }, ...rest },
      ],
    });
    await cluster.pass();
    expect((await get(run)).status).toBe("running");
    const end = { outcome: "failed", exit_code: null, detail: "It exceeded its memory." } as const;
    await runner.end(run.id, end);
    expect(await get(run)).toMatchObject({ status: "failed", detail: end.detail });
  });

  test("get another Job when theirs is deleted before the start", async () => {
    const run = await start();
    await cluster.pass();
    const first = runnerInPod(kubernetes, app, run.id);
    kubernetes.remove("jobs", `omoi-run-${run.id}`);
    await cluster.pass();
    const second = runnerInPod(kubernetes, app, run.id);
    expect(second.token).not.toBe(first.token);
    expect((await first.start(run.id)).status).toBe(401);
    expect((await second.start(run.id)).status).toBe(200);
  });

  test("leave Jobs of others alone, and remove those without a run", async () => {
    const run = await start();
    await cluster.pass();
    const [own] = jobs();
    const copy = (name: string, labels: Record<string, string>): void => {
      const { spec, apiVersion, kind } = own as V1Job;
      kubernetes.create("jobs", { apiVersion, kind, metadata: { name, labels }, spec });
    };
    const labels = own?.metadata?.labels ?? {};
    copy("unrelated", {});
    copy("other-installation", { ...labels, [LABELS.installation]: "another" });
    copy("other-manager", { ...labels, [LABELS.managedBy]: "helm" });
    copy("same-run", labels);
    copy("no-run", { ...labels, [LABELS.run]: "0198c5f2-0000-7000-8000-000000000000" });
    await cluster.pass();
    expect(jobs().map(({ metadata }) => metadata?.name)).toEqual([
      `omoi-run-${run.id}`,
      "unrelated",
      "other-installation",
      "other-manager",
    ]);
  });

  test("are limited in number, and a paused cluster takes none", async () => {
    const small = await openClusterOfTest(app, kubernetes, { maxRuns: 1 });
    const first = await start();
    const second = await start({}, await makeInCluster(owner, project.id));
    await small.pass();
    expect(jobs()).toHaveLength(1);
    const waiting = (await get(first)).detail === "Waiting for another run in the cluster to end.";
    const [taken, left] = waiting ? [second, first] : [first, second];
    expect((await get(left)).detail).toBe("Waiting for another run in the cluster to end.");
    await small.pass();
    expect(jobs()).toHaveLength(1);
    await stop(taken);
    await small.pass();
    await small.pass();
    expect(jobs().map(({ metadata }) => metadata?.name)).toEqual([`omoi-run-${left.id}`]);
    await queryAsOwner(app, "update runners set paused = true");
    await stop(left);
    const third = await start();
    await small.pass();
    await small.pass();
    expect(jobs()).toEqual([]);
    expect((await get(third)).detail).toBe("Waiting for the cluster, which is paused.");
  });

  test("wait for a network that the cluster does not have", async () => {
    const without = await openClusterOfTest(app, kubernetes, { egressUrl: null });
    const run = await start({ network: "restricted", allowed_hosts: ["example.com"] });
    await without.pass();
    expect(jobs()).toEqual([]);
    expect((await get(run)).detail).toContain("ask the operator to set OMOI_KUBERNETES_EGRESS_URL");
    await cluster.pass();
    expect(jobs()).toHaveLength(1);
  });

  test("that others of the organization overtake keep their slot", async () => {
    const { rows } = await app.db.systemPool.query<{ slots: number }>(
      "select max_concurrent_agents as slots from organizations where id = $1",
      [org.id],
    );
    expect(rows[0]?.slots).toBeGreaterThan(1);
    await queryAsOwner(app, "update organizations set max_concurrent_agents = 1 where id = $1", [
      org.id,
    ]);
    const run = await start();
    await cluster.pass();
    const other = await start({ queue: true }, await makeInCluster(owner, project.id));
    await cluster.pass();
    expect(jobs()).toHaveLength(1);
    const runner = runnerInPod(kubernetes, app, run.id);
    expect((await runner.start(run.id)).status).toBe(200);
    await cluster.pass();
    expect(jobs()).toHaveLength(1);
    await runner.end(run.id);
    await cluster.pass();
    await cluster.pass();
    expect(jobs().map(({ metadata }) => metadata?.name)).toEqual([`omoi-run-${other.id}`]);
  });

  test("wait with the reason while a right is missing", async () => {
    for (const { resources } of SERVER_RULES) {
      const [resource = ""] = resources;
      kubernetes.rules = SERVER_RULES.filter((rule) => rule.resources !== resources);
      const run = await start();
      if (resource === "jobs" || resource === "pods") {
        // Without Jobs or pods to list, nothing is known of the cluster.
        if (resource === "pods") await cluster.pass();
        await expect(cluster.pass()).rejects.toThrow(`${resource} is forbidden`);
      } else {
        await cluster.pass();
        const { status, detail } = await get(run);
        expect([status, detail]).toEqual([
          "queued",
          `The cluster forbids it: ${resource} is forbidden: User cannot create resource.`,
        ]);
        // No pod runs without its policy and its token.
        expect(kubernetes.list("pods")).toEqual([]);
      }
      kubernetes.rules = [...SERVER_RULES];
      await cluster.pass();
      expect(podOf(kubernetes, run.id).status?.phase).toBe("Pending");
      await stop(run);
      await cluster.pass();
    }
  });
});
