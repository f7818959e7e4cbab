// Thorough: waits for a timeout.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
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

  const failure = async (call: Promise<unknown>): Promise<ClusterError> => {
    const error = await call.then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof ClusterError)) throw new Error(`no ClusterError: ${String(error)}`);
    return error;
  };

  test("gives up a call without an answer", { timeout: 60_000 }, async () => {
    kubernetes.fault = () => "hang";
    expect(await failure(api.listJobs(""))).toMatchObject({
      kind: "unreachable",
      message: "The cluster cannot be reached: no answer in time.",
    });
  });
});
