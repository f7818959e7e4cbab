import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { V1Job } from "@kubernetes/client-node";
import {
  NAMESPACE,
  SERVER_RULES,
  startScriptedKubernetes,
  type ScriptedKubernetes,
} from "#test/support/kubernetes/scripted-api.js";
import { ClusterError, type ClusterApi } from "./cluster-api.js";
import { openClusterApi } from "./open-cluster-api.js";

describe("the client of the cluster", () => {
  let kubernetes: ScriptedKubernetes;
  let api: ClusterApi;
  beforeAll(async () => {
    kubernetes = await startScriptedKubernetes();
    api = await openClusterApi(NAMESPACE, { KUBECONFIG: kubernetes.kubeConfig });
  });
  beforeEach(() => {
    kubernetes.fault = () => "none";
    kubernetes.changeList = (_resource, list) => list;
    kubernetes.rules = SERVER_RULES;
    for (const { metadata } of kubernetes.list("jobs")) kubernetes.remove("jobs", metadata.name);
  });
  afterAll(() => kubernetes.dispose());

  const jobNamed = (name: string, labels: Record<string, string> = {}): V1Job => ({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, labels },
    spec: {
      suspend: true,
      template: {
        spec: { restartPolicy: "Never", containers: [{ name: "one", image: "node:22" }] },
      },
    },
  });
  const failure = async (call: Promise<unknown>): Promise<ClusterError> => {
    const error = await call.then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof ClusterError)) throw new Error(`no ClusterError: ${String(error)}`);
    return error;
  };

  test("creates, lists, resumes and deletes Jobs", async () => {
    const created = await api.createJob(jobNamed("one", { color: "green" }));
    await api.createJob(jobNamed("other", { color: "red" }));
    const { items, isTruncated } = await api.listJobs("color=green");
    expect(items.map(({ metadata }) => metadata?.name)).toEqual(["one"]);
    expect(isTruncated).toBe(false);
    const uid = created.metadata?.uid ?? "";
    expect((await failure(api.resumeJob("one", randomUUID()))).kind).toBe("conflict");
    expect(kubernetes.podsOf("one")).toEqual([]);
    await api.resumeJob("one", uid);
    expect(kubernetes.podsOf("one")).toHaveLength(1);
    expect((await api.listPods("")).items).toHaveLength(1);
    // Another Job of the name is left.
    await api.deleteJob("one", randomUUID());
    expect((await api.listJobs("color=green")).items).toHaveLength(1);
    await api.deleteJob("one", uid);
    await api.deleteJob("one", uid);
    expect((await api.listJobs("color=green")).items).toEqual([]);
    expect(kubernetes.podsOf("one")).toEqual([]);
  });

  test("reads lists page by page, and not without end", async () => {
    for (let nth = 0; nth < 260; nth += 1) kubernetes.create("jobs", jobNamed(`job-${nth}`));
    const before = kubernetes.calls.length;
    const { items, isTruncated } = await api.listJobs("");
    expect([items.length, isTruncated]).toEqual([260, false]);
    expect(kubernetes.calls.length - before).toBe(2);
    kubernetes.changeList = (_resource, list) => ({ ...list, metadata: { continue: "0" } });
    const endless = await api.listJobs("");
    expect([endless.items.length, endless.isTruncated]).toEqual([2500, true]);
    kubernetes.changeList = (_resource, { items: [one], ...list }) => ({
      ...list,
      items: Array.from({ length: 5000 }, () => one),
    });
    const large = await api.listJobs("");
    expect([large.items.length, large.isTruncated]).toEqual([250, true]);
    kubernetes.changeList = () => ({ padding: "x".repeat(33 * 1024 * 1024) });
    expect(await failure(api.listJobs(""))).toMatchObject({
      kind: "unreachable",
      message: "The cluster cannot be reached: an answer exceeds 33554432 bytes.",
    });
  });

  test("explains each failure", async () => {
    await api.createJob(jobNamed("one"));
    expect(await failure(api.createJob(jobNamed("one")))).toMatchObject({
      kind: "exists",
      message: 'The cluster has it already: jobs "one" already exists.',
    });
    expect(await failure(api.resumeJob("none", randomUUID()))).toMatchObject({
      kind: "not found",
      message: 'The cluster does not have it: jobs "none" not found.',
    });
    expect(await failure(api.createJob(jobNamed("No name")))).toMatchObject({
      kind: "invalid",
      message: 'The cluster refuses it: is invalid: metadata.name "No name" is not a DNS name.',
    });
    kubernetes.rules = [];
    expect(await failure(api.listJobs(""))).toMatchObject({
      kind: "forbidden",
      message: "The cluster forbids it: jobs is forbidden: User cannot list resource.",
    });
    kubernetes.fault = () => ({ status: 500, message: `etcd\nis away ${"x".repeat(1000)}` });
    const broken = await failure(api.listJobs(""));
    expect(broken.kind).toBe("broken");
    expect(broken.message).toMatch(/^The cluster does not work: etcd is away x+…\.$/);
    expect(broken.message.length).toBeLessThan(400);
    kubernetes.fault = () => "cut answer";
    expect(await failure(api.listJobs(""))).toMatchObject({ kind: "unreachable" });
    kubernetes.fault = () => "none";
    await kubernetes.close();
    const away = await failure(api.listJobs(""));
    expect(away).toMatchObject({ kind: "unreachable" });
    expect(away.message).toContain("ECONNREFUSED");
    await kubernetes.open();
  });

  test("needs a cluster in the configuration", async () => {
    await expect(openClusterApi(NAMESPACE, {})).rejects.toThrow(
      "OMOI_KUBERNETES_NAMESPACE needs a cluster, and KUBECONFIG is unset",
    );
    const path = join(tmpdir(), `omoi-kubeconfig-${randomUUID()}`);
    await expect(openClusterApi(NAMESPACE, { KUBECONFIG: path })).rejects.toThrow(
      `KUBECONFIG: "${path}" cannot be read`,
    );
    await writeFile(path, "{}");
    await expect(openClusterApi(NAMESPACE, { KUBECONFIG: path })).rejects.toThrow(
      "OMOI_KUBERNETES_NAMESPACE needs a cluster, and KUBECONFIG names no cluster",
    );
    await rm(path);
  });
});
