/** The guides of a newcomer, from the first start to a protected branch. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/output/failures.js";
import type { Run } from "#shared/api/execution/runs.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { allCodeBlocks, codeBlocks } from "#test/support/documents/code-blocks.js";
import { startExample } from "#test/support/documents/start-example.js";
import { waitUntilIdle, waitUntilReady } from "#test/support/fixtures/projects.js";
import { startHttpsUpstream } from "#test/support/git/upstream-servers.js";
import { root } from "#test/support/server/built-files.js";
import { freePort } from "#test/support/server/free-port.js";
import { clientOf } from "#test/support/server/server-process.js";
import { startReceiver } from "#test/support/webhooks/receiver.js";
import { world } from "./world.js";

/** The functions and variables of the tutorial, as commands. */
export let tutorial = "";

/** Opens a guide that continues the tutorial. */
export const continued = (path: string, options: Parameters<typeof world.guide>[1] = {}) =>
  world.guide(path, { ...options, begin: `${tutorial}\n${options.begin ?? ""}` });

/** Returns the value of a variable of the tutorial. */
export const valueOf = (name: string): string => {
  const value = new RegExp(`^declare -- ${name}="(.*)"$`, "m").exec(tutorial)?.[1];
  if (value === undefined) throw new Error(`the tutorial sets no ${name}`);
  return value;
};

/** Waits until no run of the organization of the tutorial works. */
async function untilIdle(): Promise<void> {
  const api = await world.api();
  const organization_id = valueOf("ORG");
  const working = async (status: "queued" | "running") =>
    (await api.runs.listAll({ query: { organization_id, status } })).data.length;
  await expect.poll(async () => (await working("queued")) + (await working("running"))).toBe(0);
}

export function firstGuides(): void {
  test("README.md", async () => {
    const guide = await world.guide("README.md", { place: "clone" });
    const { out } = await guide.next();
    expect(out.match(/^Omoi is ready: /gm)).toHaveLength(2);
    expect(existsSync(world.in("clone/data/secret"))).toBe(true);
    await guide.rest();
  });

  test("docs/how-to/install.md", async () => {
    const guide = await world.guide("docs/how-to/install.md", { place: "clone" });
    for (const { out } of await guide.rest()) expect(out).toContain("Omoi is ready: ");
  });

  test("docs/tutorial/two-agents.md", async () => {
    await world.serve();
    const path = "docs/tutorial/two-agents.md";
    const guide = await world.guide(path);
    const blocks = await allCodeBlocks(path);
    const outputs = [];
    for (const _ of blocks.slice(1)) outputs.push((await guide.next()).out);
    const out = outputs.join("\n") + (await guide.next()).out;
    expect(out).toContain('"status":"conflict_resolved"');
    expect(out.match(/print\("hello from \w+"\)/g)).toEqual([
      'print("hello from ben")',
      'print("hello from anna")',
    ]);
    const names = blocks.flatMap(({ text }) => text.match(/^[A-Z]+(?==)/gm) ?? []);
    ({ out: tutorial } = await guide.shell.run(
      `declare -p ${[...new Set(names)].join(" ")}; declare -f json field`,
    ));
    await guide.rest();
  });

  test("docs/how-to/clone-and-push.md", async () => {
    const guide = await continued("docs/how-to/clone-and-push.md");
    await guide.rest();
    const api = await world.api();
    const { data } = await api.projects.branches({ params: { project_id: valueOf("PROJECT") } });
    expect(data.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["docs", "main", "workspace-cleo"]),
    );
  });

  test("docs/how-to/command-line.md", async () => {
    const guide = await world.guide("docs/how-to/command-line.md", {
      begin: `printf '%s\\n' '${valueOf("TOKEN")}' > key.txt`,
    });
    const outputs = await guide.rest();
    expect(outputs.map(({ err }) => err).join("")).toContain("There is no agent worker-9");
    const inShop = (name: string) => readFileSync(join(guide.folder, "shop", name), "utf8");
    expect(inShop("login.md")).toBe("# Sign in\n");
    expect(inShop("README.md")).toBe("# Shop\n");
    const listed = JSON.parse(inShop("agents.json")) as { name: string }[];
    expect(listed.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["anna", "ben", "laptop", "worker-1"]),
    );
    expect(readFileSync(world.in("home/.bashrc"), "utf8")).toContain("complete");
    const api = await world.api();
    const agents = await api.agents.list({ query: { organization_id: valueOf("ORG") } });
    expect(agents.data.map(({ name }) => name)).toContain("worker-9");
    const source = readFileSync(join(root, "docs/how-to/command-line.md"), "utf8");
    const codes = Array.from(source.matchAll(/^\| (\d+) +\|/gm), ([, code]) => Number(code));
    expect(codes).toEqual(Object.values(exitCodes));
  });

  test("docs/how-to/give-runs-secrets.md", async () => {
    const guide = await continued("docs/how-to/give-runs-secrets.md", {
      instead: { "sk-ant-…": "sk-ant-of-the-guide", '"value":"…"': '"value":"of-the-guide"' },
    });
    const { out } = await guide.next();
    expect(out).toContain('"name":"DATABASE_URL"');
    expect(out).not.toContain("postgres://");
    await guide.rest();
    const api = await world.api();
    const { data } = await api.organizationSecrets.list({ params: { org_id: valueOf("ORG") } });
    expect(data.map(({ name }) => name).toSorted()).toEqual(["ANTHROPIC", "LOCAL", "NPM_TOKEN"]);
  });

  test("docs/how-to/run-commands.md", async () => {
    const guide = await continued("docs/how-to/run-commands.md");
    const { out } = await guide.next();
    expect(out).toContain("hello from ben");
    await untilIdle();
    const started = JSON.parse((await guide.next()).out) as Run;
    await untilIdle();
    const api = await world.api();
    const { data: run } = await api.runs.get({ params: { run_id: started.id } });
    expect(run).toMatchObject({ preset: "claude-code", status: "succeeded" });
    const session = JSON.parse((await guide.next()).out) as { id: string };
    const params = { session_id: session.id };
    await expect
      .poll(async () => (await api.agentSessions.get({ params })).data.status)
      .toBe("idle");
    await api.agentSessions.close({ params });
    await guide.rest();
    await untilIdle();
  });

  test("docs/how-to/give-an-agent-a-task.md", async () => {
    // The scripted program writes a file for the prompt `tool`; a person answers the question of the last command.
    const guide = await world.guide("docs/how-to/give-an-agent-a-task.md", {
      begin: "omoi context use-org acme-corp",
      instead: {
        "Invoices round half cents the wrong way": "tool",
        "Round refunds the same way": "say The same",
        "Speed up the search": "tool",
        'cancel "$(cat task.txt)"': 'cancel "$(cat task.txt)" --yes',
      },
    });
    const api = await world.api();
    const params = { org_id: valueOf("ORG") };
    const first = async () =>
      (await api.tasks.listAll({ params, query: { sort: "created_at" } })).data.at(-1);
    expect((await guide.next()).out).toContain("#1 tool\n");
    expect(await first()).toMatchObject({ number: 1, status: "in_review" });
    expect((await guide.next()).out).toContain("> Edit a.txt");
    await guide.next();
    await expect.poll(async () => (await first())?.status).toBe("in_review");
    expect((await guide.next()).out).toMatch(/Status +done/);
    const outputs = await guide.rest();
    expect(outputs.at(-1)?.out).toContain("#2 is canceled.");
    const session_id = (await first())?.attempts[0]?.session_id as string;
    await api.agentSessions.close({ params: { session_id } });
    await untilIdle();
  });

  test("docs/how-to/review-a-change.md", async () => {
    // The scripted program writes a file of three lines; its answer repeats the prompt.
    const guide = await world.guide("docs/how-to/review-a-change.md", {
      begin: [
        "omoi context use-org acme-corp",
        "omoi task new 'write cart.js one two three' --project shop --follow",
      ].join("\n"),
      instead: { "shop#12": "shop#3" },
    });
    const api = await world.api();
    const params = { org_id: valueOf("ORG") };
    const task = async () =>
      (await api.tasks.listAll({ params, query: { q: "3", sort: "number" } })).data[0];
    const inReview = () => expect.poll(async () => (await task())?.status).toBe("in_review");
    expect((await guide.next()).out).toMatch(
      /\ncart\.js +added +\+3 -0 [^]*\+one\n\+two\n\+three\n/,
    );
    expect((await guide.next()).out).toContain("with 3 comments.\n\ncart.js:2\n");
    expect((await guide.next()).out).toMatch(/\nRequested changes of .* 4 threads\.\n/);
    await inReview();
    expect((await guide.next()).out).toContain("  + const total = round(sum);\n");
    expect((await guide.next()).out).toMatch(/^Applied 1 suggestion as /);
    await guide.rest();
    const { data: project } = await api.projects.get({
      params: { project_id: (await task())?.project_id as string },
    });
    expect(project.protected_branches).toMatchObject([{ approvals: 1, resolve_threads: true }]);
    await untilIdle();
  });

  test("docs/how-to/install-dependencies-once.md", async () => {
    const guide = await continued("docs/how-to/install-dependencies-once.md");
    await guide.rest();
    const api = await world.api();
    const params = { project_id: valueOf("PROJECT") };
    const builds = async () => (await api.environments.builds({ params, query: {} })).data;
    await expect.poll(async () => (await builds())[0]?.status).toBe("succeeded");
    await untilIdle();
  });

  test("docs/how-to/private-repositories.md", async () => {
    const upstreams = world.in("upstreams");
    mkdirSync(upstreams);
    execFileSync("git", ["clone", "--quiet", "--bare", world.in("clone"), `${upstreams}/app.git`]);
    execFileSync("git", ["config", "http.receivepack", "true"], { cwd: `${upstreams}/app.git` });
    const upstream = await startHttpsUpstream(upstreams);
    upstream.users.set("git", "ghp_of-the-guide");
    try {
      const guide = await continued("docs/how-to/private-repositories.md", {
        begin: "GITHUB_TOKEN=ghp_of-the-guide",
        instead: { "https://github.com/acme/app.git": upstream.url("app.git") },
      });
      const api = await world.api();
      await guide.next();
      const id = await guide.value("PROJECT");
      await waitUntilReady({ api }, id);
      await guide.next();
      await waitUntilIdle({ api }, id);
      await guide.next();
      expect((await waitUntilIdle({ api }, id)).upstream).toMatchObject({ error: null });
      await guide.rest();
    } finally {
      await upstream.close();
    }
  });

  test("docs/how-to/regenerate-lock-files.md", async () => {
    const guide = await continued("docs/how-to/regenerate-lock-files.md");
    await guide.shell.run(`
      for agent in $ANNA:$ANNAS:left $BEN:$BENS:right; do
        IFS=: read -r id folder name <<< "$agent"
        printf '{"dependencies": {"%s": "1"}}\\n' $name > $folder/package.json
        printf '{"%s": "1"}\\n' $name > $folder/package-lock.json
        json $API/agents/$id/workspace/commits -d '{"commit_type":"checkpoint"}'
      done
      json -X POST $API/agents/$ANNA/workspace/merges`);
    await guide.next();
    expect((await guide.next()).out).toMatch(/"path":"package-lock\.json"[^}]*"pending"/);
    expect((await guide.next()).out).toContain('"--package-lock-only"');
    await guide.rest();
  });

  test("docs/how-to/receive-webhooks.md", async () => {
    const [code = ""] = await codeBlocks("how-to/receive-webhooks.md", "js");
    const port = await freePort();
    const guide = await continued("docs/how-to/receive-webhooks.md", {
      instead: { "https://example.com/omoi": `http://127.0.0.1:${port}/omoi` },
    });
    const api = await world.api();
    const params = { org_id: valueOf("ORG") };
    await guide.next();
    const receiver = await startExample(
      code,
      { OMOI_WEBHOOK_SECRET: await guide.value("SECRET") },
      port,
    );
    try {
      await guide.next();
      // The test and its repetition.
      await expect.poll(() => receiver.output().match(/webhook\.test/g)).toHaveLength(2);
      // Deliveries that are signed with another secret are refused.
      const url = `${receiver.url}/omoi`;
      const { data: other } = await api.webhooks.create({ params, body: { url, events: ["*"] } });
      const { data: refused } = await api.webhooks.test({
        params: { ...params, webhook_id: other.id },
      });
      expect(refused).toMatchObject({ status: "failed", last_attempt: { response_status: 401 } });
      await api.webhooks.delete({ params: { ...params, webhook_id: other.id } });
      await guide.rest();
    } finally {
      await receiver.close();
    }
  });

  test("docs/how-to/notifications.md", async () => {
    const receiver = await startReceiver();
    try {
      const guide = await continued("docs/how-to/notifications.md", {
        instead: { "https://example.com/omoi": receiver.url },
      });
      await guide.next();
      const api = await world.api();
      const { data } = await api.notifications.get();
      expect(data.choices[0]).toMatchObject({ kind: "run_failed", scope: "all" });
      await guide.next();
      expect(receiver.received.map(({ payload }) => payload.type)).toEqual(["notification.test"]);
      await guide.rest();
    } finally {
      await receiver.close();
    }
  });

  test("docs/how-to/protect-a-branch.md", async () => {
    const api = await world.api();
    const colleague = { email: "grace@example.com", password: "correct staple horse" };
    const { data: user } = await clientOf(world.url).auth.register({ body: colleague });
    const body = { user_id: user.id, role_id: systemRoleIds.admin };
    await api.members.add({ params: { org_id: valueOf("ORG") }, body });
    const { data: key } = await (
      await world.api(colleague)
    ).apiKeys.create({ body: { name: "shell" } });
    const guide = await continued("docs/how-to/protect-a-branch.md", {
      begin: `COLLEAGUES_KEY=${key.key}
        echo work > $BENS/work.txt
        json $API/agents/$BEN/workspace/commits -d '{"commit_type":"checkpoint"}'`,
    });
    await guide.next();
    await guide.next();
    // The direct way is closed.
    const direct = await guide.shell.run("json -X POST $API/agents/$BEN/workspace/merges || true");
    expect(direct.out).toContain("branch_protected");
    await guide.next();
    const params = { merge_request_id: await guide.value("REQUEST") };
    const own = await guide.shell.run("json -X POST $API/merge-requests/$REQUEST/approve || true");
    expect(own.out).toContain("own_work");
    await guide.rest();
    const statusOf = async () => (await api.mergeQueue.get({ params })).data.status;
    await expect.poll(statusOf).toBe("merged");
    const project = await api.projects.get({ params: { project_id: valueOf("PROJECT") } });
    expect(project.data.protected_branches).toMatchObject([{ pattern: "main", checks: ["test"] }]);
    expect(project.data.protected_branches[0]?.approvals ?? 0).toBe(0);
  });

  test("docs/secret-scanning.md", async () => {
    const api = await world.api();
    const { data: leaked } = await api.apiKeys.create({ body: { name: "leaked" } });
    const key = leaked.key as string;
    const guide = await world.guide("docs/secret-scanning.md", { instead: { "sk_live_…": key } });
    await clientOf(world.url, key).auth.me();
    await guide.rest();
    await expect(clientOf(world.url, key).auth.me()).rejects.toMatchObject({
      problem: { code: "invalid_token" },
    });
  });
}
