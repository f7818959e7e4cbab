/** The guides of people who connect other programs: CI, models, Slack, Grafana. */
import { once } from "node:events";
import { spawn } from "node:child_process";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { workflowErrors } from "#test/support/documents/workflow-errors.js";
import { builtFile } from "#test/support/server/built-files.js";
import { clientOf } from "#test/support/server/server-process.js";
import { startReceiver } from "#test/support/webhooks/receiver.js";
import { valueOf } from "./first-guides.js";
import { world } from "./world.js";

const keyIn = (text: string): string | undefined => /sk_live_[A-Za-z0-9]{36}/.exec(text)?.[0];

/** Signs in as the guides say: by a code in the browser, which makes a key that expires. */
async function signInByBrowser(): Promise<void> {
  const args = [builtFile("cli/main.js"), "login", world.url, "--no-browser"];
  const env = { PATH: process.env["PATH"], HOME: world.in("home") };
  const login = spawn(process.execPath, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(login, "close");
  let said = "";
  login.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  await expect.poll(() => said).toMatch(/code [A-Z]{4}-[A-Z]{4}/);
  const user_code = /code ([A-Z]{4}-[A-Z]{4})/.exec(said)?.[1] as string;
  await (await world.api()).deviceLogin.approve({ params: { user_code } });
  expect((await ended)[0]).toBe(0);
}

export function toolGuides(): void {
  test("docs/how-to/service-accounts.md", async () => {
    await signInByBrowser();
    const path = "docs/how-to/service-accounts.md";
    // A person answers the questions of the last commands.
    const guide = await world.guide(path, {
      begin: "omoi context use-org acme-corp",
      instead: {
        "revoke-key ci github-actions": "revoke-key ci github-actions --yes",
        "delete ci": "delete ci --yes",
      },
    });
    const params = { org_id: valueOf("ORG") };
    const api = await world.api();
    const accounts = async () => (await api.serviceAccounts.list({ params })).data;

    const key = keyIn((await guide.next()).out) as string;
    expect(await accounts()).toMatchObject([{ name: "ci", role_name: "member", active_keys: 1 }]);

    const [source = ""] = await codeBlocks("how-to/service-accounts.md", "yaml");
    expect(await workflowErrors(source)).toEqual([]);
    const workflow = parse(source) as { jobs: { test: { steps: { run: string }[] } } };
    const job = world.shell(guide.folder, {
      OMOI_URL: world.url,
      OMOI_TOKEN: key,
      AGENT_ID: valueOf("ANNA"),
    });
    const started = await job.run(workflow.jobs.test.steps[0]?.run as string);
    expect(JSON.parse(started.out)).toMatchObject({ preset: "claude-code" });
    await job.close();

    const next = keyIn((await guide.next()).out) as string;
    expect(next).not.toBe(key);
    for (const valid of [key, next]) await clientOf(world.url, valid).projects.list();

    await guide.rest();
    expect(await accounts()).toEqual([]);
    await expect(clientOf(world.url, key).projects.list()).rejects.toMatchObject({
      problem: { code: "invalid_token" },
    });
  });

  test("docs/how-to/github-actions.md", async () => {
    const guide = await world.guide("docs/how-to/github-actions.md");
    const [created] = await guide.rest();
    const { data } = await clientOf(world.url, keyIn(created?.out ?? "")).agents.list();
    expect(data.map(({ name }) => name)).toContain("worker-1");
  });

  test("docs/how-to/mcp.md", async () => {
    const guide = await world.guide("docs/how-to/mcp.md");
    const keys = (await guide.rest()).map(({ out }) => keyIn(out));
    for (const key of keys) await clientOf(world.url, key).agents.list();
  });

  test("docs/how-to/slack.md", async () => {
    const receiver = await startReceiver();
    try {
      const instead: Record<string, string> = { "https://relay.example.com/omoi": receiver.url };
      const guide = await world.guide("docs/how-to/slack.md", { instead });
      const { out } = await guide.next();
      instead["WEBHOOK-ID"] = /^Id +(\S+)$/m.exec(out)?.[1] as string;
      await guide.rest();
      expect(receiver.received.map(({ payload }) => payload.type)).toEqual(["webhook.test"]);
    } finally {
      await receiver.close();
    }
  });

  test("docs/how-to/monitor.md", async () => {
    const guide = await world.guide("docs/how-to/monitor.md");
    await guide.next();
    expect(await guide.value("OMOI_METRICS_TOKEN")).toMatch(/^[0-9a-f]{64}$/);
    await guide.rest();
  });

  test("docs/how-to/grafana.md", async () => {
    const guide = await world.guide("docs/how-to/grafana.md", { place: "clone" });
    await guide.rest();
  });
}
