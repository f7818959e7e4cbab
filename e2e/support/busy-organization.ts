import { randomUUID } from "node:crypto";
import { vi } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";
import { insertSession } from "#test/support/database/insert-session.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { commitFiles, mergeIntoBase, writeFiles } from "#test/support/fixtures/factories.js";
import { shell, waitForRunEnd } from "#test/support/fixtures/runs.js";

/** An organization whose agents are in all states. */
export interface BusyOrganization {
  orgId: string;
  project: Project;
  /** By the name of the agent. */
  workspaces: ReadonlyMap<string, Workspace>;
  /** A session that waits for a permission; its request has the same id. */
  sessionId: string;
}

const tasks = {
  "worker-1": "Add OAuth login with GitHub",
  "worker-2": "Rotate refresh tokens",
  "flaky-hunter": "Find the flaky payment test",
  migrator: "Move the sessions table to UUIDs",
  "docs-writer": "Document the webhook retries",
  "perf-1": "Cache the product list",
  "idle-hands": "Upgrade the build image",
} as const;

/** @param app with a sandbox */
export async function makeBusyOrganization(
  app: TestApp,
  owner: TestPerson,
): Promise<BusyOrganization> {
  const { api } = owner;
  const orgId = (await api.organizations.create({ body: { name: "Acme Corp" } })).data.id;
  const { data: project } = await api.projects.create({
    body: { organization_id: orgId, name: "checkout-service" },
  });
  const make = async (name: string, title: string): Promise<Workspace> => {
    const task = { title, text: title };
    const { data: agent } = await api.agents.create({
      body: { project_id: project.id, name, task },
    });
    return (await api.workspaces.create({ params: { agent_id: agent.id } })).data;
  };
  const base = await make("seed", "Set up the repository");
  await writeFiles(base, {
    "src/auth/oauth.py": "one\ntwo\nthree\n",
    "src/products.py": "a\nb\n",
    "README.md": "# Checkout\n",
  });
  await mergeIntoBase(owner, base);
  await api.agents.delete({ params: { agent_id: base.agent_id } });
  const workspaces = new Map<string, Workspace>();
  for (const [name, title] of Object.entries(tasks)) workspaces.set(name, await make(name, title));
  const of = (name: keyof typeof tasks) => workspaces.get(name) as Workspace;
  const run = async (name: keyof typeof tasks, script: string) =>
    (
      await api.runs.create({
        params: { agent_id: of(name).agent_id },
        body: { command: shell(script) },
      })
    ).data;

  await commitFiles(owner, of("docs-writer"), { "docs/webhooks.md": "Retries\n".repeat(40) });
  await mergeIntoBase(owner, of("docs-writer"));
  await waitForRunEnd(owner, (await run("docs-writer", "echo Built the docs")).id);

  await commitFiles(owner, of("worker-1"), { "src/auth/oauth.py": "one\nGITHUB\nthree\n" });
  await commitFiles(owner, of("worker-2"), { "src/auth/oauth.py": "one\nROTATE\nthree\n" });
  await commitFiles(owner, of("perf-1"), {
    "src/products.py": "a\nb\ncache = {}\n",
    "src/cache.py": "class Cache: pass\n".repeat(12),
  });
  const failed = await run(
    "flaky-hunter",
    "echo 'FAILED tests/test_payment.py::test_retry' >&2; exit 1",
  );
  await waitForRunEnd(owner, failed.id);
  await run("migrator", "echo 'Applying 0042_sessions_uuid.sql (3 of 7)'; sleep 600");

  const sessionId = randomUUID();
  await insertSession(app, sessionId, of("idle-hands").agent_id);
  await setSession(app, sessionId, "waiting_for_permission");
  await vi.waitFor(
    async () => {
      const { data } = await api.radar.project({ params: { project_id: project.id } });
      if (data.total_pairs !== 1) throw new Error("the conflict is not predicted yet");
    },
    { timeout: 120_000, interval: 200 },
  );
  return { orgId, project, workspaces, sessionId };
}

/** Gives a session a status, a title and a request that agents make. */
export async function setSession(app: TestApp, id: string, status: string): Promise<void> {
  const request = {
    request_id: id,
    tool_call_id: "t1",
    title: "docker build --tag build-image:24 .",
    options: [
      { option_id: "yes", name: "Allow", kind: "allow_once" },
      { option_id: "always", name: "Always allow docker build", kind: "allow_always" },
      { option_id: "no", name: "Reject", kind: "reject_once" },
    ],
  };
  await queryAsOwner(
    app,
    `update agent_sessions set status = $2, permissions = $3, title = 'Upgrade the build image'
     where id = $1`,
    [id, status, JSON.stringify(status === "waiting_for_permission" ? [request] : [])],
  );
}
