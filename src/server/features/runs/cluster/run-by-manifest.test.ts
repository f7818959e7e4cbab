/**
 * Runs of the real server in the scripted Kubernetes, whose pods are executed as their manifests say: the built programs
 * of both containers, with the controller, the runner protocol and the proxy of the server. A cluster alone is missing.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/agents/agents.js";
import type { NewRun, Run } from "#shared/api/agents/runs.js";
import type { Organization } from "#shared/api/organizations/organizations.js";
import type { Project } from "#shared/api/projects/projects.js";
import type { Workspace } from "#shared/api/projects/workspaces.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { gitInRepository } from "#test/support/git/git.js";
import {
  NAMESPACE,
  startScriptedKubernetes,
  type ScriptedKubernetes,
} from "#test/support/kubernetes/scripted-api.js";
import { makeInCluster } from "#test/support/pods/cluster-runs.js";
import { omoiImage, plainImage } from "#test/support/pods/images.js";
import { openKubelet, type Kubelet, type RunningPod } from "#test/support/pods/kubelet.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { freePort } from "#test/support/server/free-port.js";

const OMOI = "registry.example.com/omoi:0.2";
const TOOLS = "registry.example.com/tools:1";

describe("a run that is executed by its manifest", () => {
  let kubernetes: ScriptedKubernetes;
  let kubelet: Kubelet;
  let app: TestApp;
  let owner: TestPerson;
  let proxyPort: number;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;
  const { KUBECONFIG } = process.env;

  beforeAll(async () => {
    kubernetes = await startScriptedKubernetes();
    process.env["KUBECONFIG"] = kubernetes.kubeConfig;
    proxyPort = await freePort();
    app = await startTestApp({
      OMOI_KUBERNETES_NAMESPACE: NAMESPACE,
      OMOI_KUBERNETES_IMAGE: OMOI,
      OMOI_EGRESS_PORT: String(proxyPort),
      OMOI_KUBERNETES_EGRESS_URL: `http://127.0.0.1:${proxyPort}`,
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
    });
    owner = await app.person("Ada");
    kubelet = openKubelet(kubernetes, { [OMOI]: omoiImage(), [TOOLS]: plainImage });
  });
  afterAll(async () => {
    await kubelet.close();
    await app.close();
    await kubernetes.dispose();
    if (KUBECONFIG === undefined) delete process.env["KUBECONFIG"];
    else process.env["KUBECONFIG"] = KUBECONFIG;
  });
  beforeEach(async () => {
    org = await makeOrganization(owner);
    project = await makeProjectWith(owner, org.id, { "a.txt": "base\n" });
    // The server registers the cluster when it has started.
    await expect
      .poll(async () => (await owner.api.sandbox.get({})).data.kubernetes.available)
      .toBe(true);
    ({ agent, workspace } = await makeInCluster(owner, project.id));
  });
  afterEach(async () => {
    await owner.api.organizations.archive({ params: { org_id: org.id } });
    expect(kubernetes.calls.filter(({ status }) => status === 403)).toEqual([]);
  });

  interface Started {
    run: Run;
    pod: RunningPod;
  }
  const create = async (body: NewRun): Promise<Run> =>
    (await owner.api.runs.create({ params: { agent_id: agent.id }, body })).data;
  const start = async (script: string, body: Partial<NewRun> = {}): Promise<Started> => {
    const run = await create({ command: shell(script), ...body });
    return { run, pod: await kubelet.execute(run.id) };
  };
  const logOf = async ({ id }: Run): Promise<string> =>
    (await followLog(app, owner, id)).events.map(({ text }) => text).join("");
  const shows = ({ id }: Run, text: string): Promise<unknown> =>
    followLog(app, owner, id, {
      stop: (events) => events.some((event) => event.text.includes(text)),
    });
  const onBranch = (path: string): Promise<string> =>
    gitInRepository(app, project, "show", `${workspace.branch_name}:${path}`);
  /** Waits until the server has removed all that it made for a run. */
  const isRemoved = async ({ id }: Run): Promise<void> => {
    await expect
      .poll(() =>
        ["jobs", "pods", "secrets", "networkpolicies"].flatMap((kind) =>
          kubernetes.list(kind).filter(({ metadata }) => metadata.name.includes(id)),
        ),
      )
      .toEqual([]);
  };
  const allSucceeded = { tools: 0, runner: 0, command: 0 };

  test("brings its exit code, its commits, its log and its result", async () => {
    await owner.api.projects.update({
      params: { project_id: project.id },
      body: { kubernetes: { image: TOOLS, cpus: null, memory_mib: 256, disk_mib: null } },
    });
    const { run, pod } = await start(
      `cat a.txt; git log --format=%s | tail -n 1; git status --short; git add -A; echo new > b.txt; git add b.txt
       git commit -qm 'Add b' || exit 9; echo more >> a.txt; touch ~/kept && echo "home $HOME $(id -u):$(id -g) $PWD"
       ls /omoi /data 2>&1 | head -n 3; env | grep -c omoi_runner_; echo failing >&2; exit 3`,
    );
    const ended = await waitForRunEnd(owner, run.id);
    const log = await logOf(run);
    expect([ended.status, log]).toEqual(["failed", expect.stringContaining("failing\n")]);
    expect(ended).toMatchObject({
      exit_code: 3,
      runner: { name: "kubernetes" },
      limits: { memory_bytes: 256 * 2 ** 20 },
      repository: { commits: 1, error: null },
    });
    expect(log).toContain("home /home/agent 10001:10001 /workspace\n");
    expect(log).not.toMatch(/dubious|fatal|Permission denied/);
    expect(log).toMatch(/\n0\nfailing\n$/);
    expect(await onBranch("b.txt")).toBe("new");
    expect(await onBranch("a.txt")).toBe("base\nmore");
    expect(await pod.ended).toEqual(allSucceeded);
    await isRemoved(run);
  });

  test("is stopped by the API, and brings what it made", async () => {
    const { run, pod } = await start(
      "trap 'echo caught; echo 1 > saved.txt; exit 4' TERM; echo ready; while :; do sleep 0.05; done",
    );
    await shows(run, "ready");
    await owner.api.runs.stop({ params: { run_id: run.id }, body: {} });
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "stopped", exit_code: 4 });
    expect(await logOf(run)).toContain("caught");
    expect(await onBranch("saved.txt")).toBe("1");
    expect(await pod.ended).toEqual(allSucceeded);
    await isRemoved(run);
  });
});
