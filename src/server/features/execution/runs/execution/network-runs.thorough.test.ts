/** Access of managed runs to the network and the server, and the cases in which it is denied. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Run } from "#shared/api/execution/runs.js";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import {
  makeAgent,
  makeOrganization,
  makeProject,
  makeWorkspace,
} from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd, waitForRun } from "#test/support/fixtures/runs.js";
import { describeEachEngine, inSandbox, type RunPlace } from "#test/support/sandbox/run-places.js";
import { describeEachSandbox } from "#test/support/sandbox/test-sandbox.js";

/** A command that calls the server and prints each response's status and text as JSON, one per line. */
const ask = (calls: readonly (readonly [path: string, init?: object])[]): string[] => [
  "node",
  "-e",
  `(async () => {
    for (const [path, init = {}] of ${JSON.stringify(calls)}) {
      const url = path.startsWith("/") ? process.env.OMOI_URL + path : path;
      const authorization = "Bearer " + (process.env.KEY ?? process.env.OMOI_TOKEN);
      const headers = { authorization, "content-type": "application/json", ...init.headers };
      const answer = await fetch(url, { ...init, headers })
        .then(async (got) => ({ status: got.status, text: await got.text() }))
        .catch((error) => ({ status: 0, text: String(error.cause?.code ?? error) }));
      console.log(JSON.stringify(answer));
    }
  })()`,
];

const title = "a run with the network";
describeEachSandbox(title, ({ setting }) => describeNetwork(inSandbox(setting)));
describeEachEngine(title, describeNetwork);

function describeNetwork(open: () => Promise<RunPlace>): void {
  let place: RunPlace;
  let app: TestApp;
  let owner: TestPerson;
  let agentId: string;

  beforeAll(async () => {
    place = await open();
    // Covers the addresses of runs, whose forwarding headers must be ignored even then.
    app = await startTestApp({ OMOI_TRUSTED_PROXIES: "3fff::/16", ...place.settings }, "real");
    owner = await app.person("owner");
    const { id } = await makeOrganization(owner);
    agentId = (await makeAgent(owner, (await makeProject(owner, id)).id)).id;
    const body = { workspace_type: place.type };
    await owner.api.workspaces.create({ params: { agent_id: agentId }, body });
  }, 300_000);
  afterAll(async () => {
    await app.close();
    await place.close();
  });

  const asked = async (
    calls: Parameters<typeof ask>[0],
    env: Record<string, string> = {},
  ): Promise<{ run: Run; answers: { status: number; text: string }[] }> => {
    const { data: run } = await owner.api.runs.create({
      params: { agent_id: agentId },
      body: { command: ask(calls), network: "full", env },
    });
    await waitForRunEnd(owner, run.id);
    const response = await fetch(`${app.url}/api/v1/runs/${run.id}/logs`, {
      headers: { authorization: `Bearer ${owner.token}` },
    });
    const lines = (await response.text()).trim().split("\n");
    return { run, answers: lines.map((line) => JSON.parse(line) as never) };
  };

  test("reaches the server at OMOI_URL with its token, but not by the server's own address", async () => {
    const { run, answers } = await asked([
      [`/api/v1/agents/${agentId}`],
      ["/healthz"],
      [`${app.url}/healthz`],
    ]);
    expect(run.network).toBe("full");
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 0]);
    expect(answers[0]?.text).toContain(agentId);
    expect(answers[2]?.text).toBe("ECONNREFUSED");
  });

  test("checkpoints its changes and stops gracefully", async () => {
    const { data: state } = await owner.api.sandbox.get({});
    const { mode, full_network } = place.type === "docker" ? state.docker : state;
    expect(mode).toBe(place.mode);
    expect(full_network).toEqual({ isolated: true, reason: null, install: null });
    const params = { agent_id: agentId };
    const script =
      "trap 'echo bye > last; exit 7' TERM; echo hello > first; cat first; sleep 60 & wait";
    const { data: run } = await owner.api.runs.create({
      params,
      body: { command: shell(script), network: "full" },
    });
    await waitForRun(owner, run.id, ({ output }) => (output?.bytes ?? 0) > 0);
    await owner.api.runs.stop({ params: { run_id: run.id } });
    expect(await waitForRunEnd(owner, run.id)).toMatchObject({ status: "stopped", exit_code: 7 });
    const { data: commits } = await owner.api.workspaces.commits({ params });
    expect(commits[0]).toMatchObject({ files_changed: 2 });
  });

  test("cannot create accounts or sign in", async () => {
    const { email, password } = owner;
    const body = JSON.stringify({ email, password });
    const { answers } = await asked([
      ["/api/v1/auth/register", { method: "POST", body }],
      ["/api/v1/auth/login", { method: "POST", body }],
      ["/api/v1/auth/methods"],
    ]);
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 200]);
    expect(answers[0]?.text).toContain("insufficient_permission");
  });

  test("cannot forge its address by forwarding headers", async () => {
    const { data } = await owner.api.apiKeys.create({
      body: { name: "bound", allowed_ips: ["10.0.0.0/8", "127.0.0.0/8"] },
    });
    const me = "/api/v1/auth/me";
    const { answers } = await asked(
      [
        [me, { headers: { "x-forwarded-for": "10.0.0.1" } }],
        [me, { headers: { forwarded: "for=10.0.0.1" } }],
        [me],
      ],
      { KEY: data.key as string },
    );
    for (const { status, text } of answers) {
      expect(status).toBe(403);
      expect(text).toContain("ip_not_allowed");
    }
  });
}

describe("network access is denied", () => {
  let sandbox: Sandbox;
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "omoi-sandbox-"));
    const uids = { agentUid: 60_861, networkUid: 60_860 };
    sandbox = await openSandbox({ dataDir, sandbox: "required", sandboxReadOnly: [], ...uids });
  });
  afterAll(async () => {
    await sandbox.close();
    await rm(dataDir, { recursive: true });
  });

  const refused = async (app: TestApp): Promise<string> => {
    const person = await app.person("owner");
    const { id } = await makeOrganization(person);
    const { agent } = await makeWorkspace(person, (await makeProject(person, id)).id);
    const start = (network: "none" | "full") =>
      person.api.runs.create({
        params: { agent_id: agent.id },
        body: { command: ["true"], network },
      });
    const { detail } = await expectProblem(start("full"), 409, "network_not_isolated");
    const { data: run } = await start("none");
    expect((await waitForRunEnd(person, run.id)).status).toBe("succeeded");
    return detail;
  };

  test("if a proxy on the loopback interface is trusted", async () => {
    for (const trusted of ["10.0.0.0/8,127.0.0.1", "::/0"]) {
      const app = await startTestApp({ OMOI_TRUSTED_PROXIES: trusted }, sandbox);
      expect(await refused(app)).toContain("OMOI_TRUSTED_PROXIES");
      await app.close();
    }
  });

  test("without isolation, with the remedy; /readyz and the sandbox's state report it", async () => {
    const reason = "Runs with a network need the program pasta, which is not installed";
    const fullNetwork = { isolated: false, reason, install: "apt-get install passt" };
    const report = { ...sandbox.report, fullNetwork };
    const app = await startTestApp({}, { ...sandbox, report });
    expect(await refused(app)).toBe(`${reason}; install it: apt-get install passt.`);
    const person = await app.person();
    expect((await person.api.sandbox.get()).data.full_network).toEqual(fullNetwork);
    const ready = (await (await fetch(`${app.url}/readyz`)).json()) as object;
    expect(ready).toMatchObject({ status: "ready", sandbox: { fullNetwork } });
    await app.close();
  });
});
