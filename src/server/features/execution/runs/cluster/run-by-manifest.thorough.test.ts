/**
 * Runs of the real server in the scripted Kubernetes, whose pods are executed as their manifests say: the built programs
 * of both containers, with the controller, the runner protocol and the proxy of the server. A cluster alone is missing.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { V1NetworkPolicy, V1Secret } from "@kubernetes/client-node";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { makeOrganization, makeProjectWith } from "#test/support/fixtures/factories.js";
import { followLog, shell, waitForRunEnd } from "#test/support/fixtures/runs.js";
import { queryAsOwner } from "#test/support/database/queries.js";
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
import { openClusterEgress } from "../egress/cluster-egress.js";
import { createRunKeyring } from "../run-tokens.js";

const OMOI = "registry.example.com/omoi:0.2";
const TOOLS = "registry.example.com/tools:1";
const WITHOUT_GIT = "registry.example.com/without-git:1";

describe("a run that is executed by its manifest", () => {
  let kubernetes: ScriptedKubernetes;
  let kubelet: Kubelet;
  let app: TestApp;
  let owner: TestPerson;
  /** The server's own proxy, and the one that pods are given. */
  let ownProxy: number;
  let podProxy: number;
  let org: Organization;
  let project: Project;
  let agent: Agent;
  let workspace: Workspace;

  beforeAll(async () => {
    kubernetes = await startScriptedKubernetes();
    vi.stubEnv("KUBECONFIG", kubernetes.kubeConfig);
    [ownProxy, podProxy] = [await freePort(), await freePort()];
    const port = await freePort();
    app = await startTestApp({
      OMOI_PORT: String(port),
      // The pods of this machine share its loopback.
      OMOI_KUBERNETES_SERVER_URL: `http://127.0.0.1:${port}`,
      OMOI_KUBERNETES_NAMESPACE: NAMESPACE,
      OMOI_KUBERNETES_IMAGE: OMOI,
      OMOI_EGRESS_PORT: String(ownProxy),
      OMOI_KUBERNETES_EGRESS_URL: `http://127.0.0.1:${podProxy}`,
      OMOI_RUN_STOP_GRACE_SECONDS: "1",
    });
    owner = await app.person("Ada");
    const hidden = ["--ro-bind", "/dev/null", "/usr/bin/git"];
    kubelet = openKubelet(kubernetes, {
      [OMOI]: omoiImage(),
      [TOOLS]: plainImage,
      [WITHOUT_GIT]: { ...plainImage, mounts: hidden },
    });
  });
  afterAll(async () => {
    await kubelet.close();
    await app.close();
    await kubernetes.dispose();
    vi.unstubAllEnvs();
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
    kubernetes.fault = () => "none";
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
  const useImage = (image: string): Promise<unknown> =>
    owner.api.projects.update({
      params: { project_id: project.id },
      body: { kubernetes: { image, cpus: null, memory_mib: 256, disk_mib: null } },
    });
  const allSucceeded = { tools: 0, runner: 0, command: 0 };

  test("brings its exit code, its commits, its log and its result", async () => {
    await useImage(TOOLS);
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
    // Standard error has no order with the rest.
    expect(log.replace("failing\n", "")).toMatch(/\n0\n$/);
    expect(await onBranch("b.txt")).toBe("new");
    expect(await onBranch("a.txt")).toBe("base\nmore");
    expect(await pod.ended).toEqual(allSucceeded);
    await isRemoved(run);
  });

  test("has no repository in an image without git, which it says", async () => {
    await useImage(WITHOUT_GIT);
    const { run, pod } = await start("cat a.txt; echo changed > a.txt; ls -A");
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({
      status: "succeeded",
      repository: { commits: 0, error: expect.stringContaining("git is not installed") as string },
    });
    expect(await logOf(run)).toMatch(/^base\na\.txt\n/m);
    expect(await onBranch("a.txt")).toBe("base");
    expect(await pod.ended).toEqual(allSucceeded);
    await isRemoved(run);
  });

  test("is stopped by the API, and brings what it made", async () => {
    const { run, pod } = await start(
      "trap 'echo caught; echo 1 > saved.txt; exit 4' TERM; echo \"env $NODE_ENV:$OMOI_DATA_DIR\" ready; while :; do sleep 0.05; done",
    );
    await shows(run, "ready");
    await owner.api.runs.stop({ params: { run_id: run.id }, body: {} });
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "stopped", exit_code: 4 });
    // Omoi's image, without what is for the server in it.
    expect(await logOf(run)).toMatch(/^env : ready\n(?:Terminated\n)?caught\n/);
    expect(await onBranch("saved.txt")).toBe("1");
    expect(await pod.ended).toEqual(allSucceeded);
    await isRemoved(run);
  });

  test("reaches its allowed hosts through the proxy, by its own token", async () => {
    const target = createServer((_request, response) => response.end("answer")).listen(0);
    await once(target, "listening");
    const { port } = target.address() as AddressInfo;
    // The server's own proxy refuses every address of this machine.
    const runTokens = createRunKeyring(app.db, app.config.secret);
    const log = pino({ level: "silent" });
    const proxy = await openClusterEgress(
      { db: app.db, runTokens, settings: app.config, log },
      {
        host: "127.0.0.1",
        port: podProxy,
        resolve: async () => ["127.0.0.1"],
        refuse: () => null,
      },
    );
    const hosts = [`allowed.test:${port}`, `allowed.localhost:${port}`];
    const { run, pod } = await start(
      `[ "$HTTPS_PROXY" = "http://run:$OMOI_TOKEN@127.0.0.1:${podProxy}" ] && [ "$http_proxy" = "$HTTPS_PROXY" ] && echo own
       node -e '
         const { request } = require("http");
         const proxy = new URL(process.env.HTTP_PROXY);
         const get = (port, host) => new Promise((resolve) =>
           request({ host: proxy.hostname, port, path: "http://" + host + ":${port}/",
             headers: { "proxy-authorization": "Basic " + btoa(proxy.username + ":" + proxy.password) } },
             async (answer) => {
               let text = "";
               for await (const chunk of answer) text += chunk;
               console.log(host, answer.statusCode, text.trim());
               resolve();
             }).end());
         get(proxy.port, "allowed.test").then(() => get(proxy.port, "denied.test"))
           .then(() => get(${ownProxy}, "allowed.localhost")).then(() => get(${ownProxy}, "denied.test"));
       '
       git ls-remote http://denied.test:${port}/x.git 2>&1 | grep -o 403`,
      { network: "restricted", allowed_hosts: hosts },
    );
    const [policy] = kubernetes.list<V1NetworkPolicy>("networkpolicies");
    const ports = policy?.spec?.egress?.flatMap((rule) => rule.ports?.map((item) => item.port));
    expect(ports).toEqual(expect.arrayContaining([ownProxy, podProxy]));
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "succeeded" });
    const said = await logOf(run);
    expect(said).toContain("own\nallowed.test 200 answer\ndenied.test 403 egress: denied.test");
    expect(said).toMatch(
      /allowed\.localhost 403 egress: .*resolves to 127\.0\.0\.1.*\ndenied\.test 403 .*\n403\n/,
    );
    expect(await pod.ended).toEqual(allSucceeded);
    await isRemoved(run);
    await proxy.close();
    target.close();
    await expect
      .poll(async () => (await owner.api.runs.get({ params: { run_id: run.id } })).data.egress)
      .toEqual({ allowed: 1, denied: 4 });
  });

  test("fails when its runner may not start it, with the runner's words", async () => {
    const run = await create({ command: ["true"] });
    await expect.poll(() => kubernetes.podsOf(`omoi-run-${run.id}`).length).toBe(1);
    for (const secret of kubernetes.list<V1Secret>("secrets")) {
      secret.data = { token: btoa("omoi_runner_another") };
    }
    const pod = await kubelet.execute(run.id);
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({
      status: "failed",
      started_at: null,
      detail: expect.stringMatching(
        /^The container "runner" has failed: The server refused the start of the run: [^{}]*[^.]\.$/,
      ) as string,
    });
    expect(await pod.ended).toEqual({ tools: 0, runner: 1, command: 0 });
    await isRemoved(run);
  });

  test("that has ended before its pod starts is left alone", async () => {
    const run = await create({ command: ["true"] });
    await expect.poll(() => kubernetes.podsOf(`omoi-run-${run.id}`).length).toBe(1);
    kubernetes.fault = ({ verb }) =>
      verb === "delete" ? { status: 500, message: "not now" } : "none";
    await owner.api.runs.stop({ params: { run_id: run.id }, body: {} });
    const pod = await kubelet.execute(run.id);
    expect(await pod.ended).toEqual(allSucceeded);
    kubernetes.fault = () => "none";
    await isRemoved(run);
    const { data: stopped } = await owner.api.runs.get({ params: { run_id: run.id } });
    expect(stopped).toMatchObject({ status: "stopped", started_at: null });
  });

  test("gets another pod when its runner has returned it to the queue", async () => {
    const setSlots = (slots: number): Promise<unknown> =>
      queryAsOwner(app, "update organizations set max_concurrent_agents = $2 where id = $1", [
        org.id,
        slots,
      ]);
    const run = await create({ command: shell("echo works") });
    await expect.poll(() => kubernetes.podsOf(`omoi-run-${run.id}`).length).toBe(1);
    // The Job stays until the run is claimed again.
    kubernetes.fault = ({ verb }) =>
      verb === "list" ? { status: 500, message: "not now" } : "none";
    await setSlots(0);
    const first = await kubelet.execute(run.id);
    expect(await first.ended).toEqual({ tools: 0, runner: 75, command: 0 });
    await setSlots(4);
    await queryAsOwner(
      app,
      `update runs set offered_until = now() + interval '10 min',
         runner_id = (select id from runners where kind = 'cluster') where id = $1`,
      [run.id],
    );
    kubernetes.fault = () => "none";
    await expect
      .poll(() => kubernetes.podsOf(`omoi-run-${run.id}`).map(({ metadata }) => metadata?.uid))
      .toEqual([expect.not.stringContaining(first.pod.metadata?.uid ?? "")]);
    const second = await kubelet.execute(run.id);
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "succeeded" });
    expect(await second.ended).toEqual(allSucceeded);
    await isRemoved(run);
  });

  test("is lost with its runner, which is explained", async () => {
    const { run, pod } = await start("echo ready; sleep 600");
    await shows(run, "ready");
    pod.containers.get("runner")?.process.kill("SIGKILL");
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({
      status: "lost",
      exit_code: null,
      detail: 'The container "runner" has ended with code 137.',
    });
    expect(await pod.ended).toEqual({ tools: 0, runner: 137, command: 1 });
    await isRemoved(run);
  });
});
