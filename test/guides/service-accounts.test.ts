/** The commands and the workflow of docs/how-to/service-accounts.md, against a running server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import type { ServiceAccount } from "#shared/api/organizations/service-accounts.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { workflowErrors } from "#test/support/documents/workflow-errors.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import {
  expectProblem,
  startTestApp,
  type TestApp,
  type TestPerson,
} from "#test/support/server/app.js";
import { builtFile } from "#test/support/server/built-files.js";
import { signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";

const GUIDE = "how-to/service-accounts.md";
let app: TestApp;
let owner: TestPerson;
let cli: SignedInCli;
beforeAll(async () => {
  app = await startTestApp();
  owner = await app.person("Ada");
  cli = await signedInCli(app.url, owner);
});
afterAll(async () => {
  cli?.close();
  await app?.close();
});

async function runScript(script: string, env: Record<string, string> = {}) {
  const bin = join(cli.home, "bin");
  mkdirSync(bin, { recursive: true });
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], {
    cwd: cli.home,
    env: { ...cli.env, ...env, PATH: [bin, cli.env["PATH"]].join(delimiter) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { out, err, code: code as number };
}

test("the commands work as written, and the workflow starts a run", async () => {
  const org = await makeOrganization(owner);
  const { agent } = await makeWorkspace(owner, (await makeProject(owner, org.id)).id);
  mkdirSync(join(cli.home, "bin"));
  symlinkSync(builtFile("cli/main.js"), join(cli.home, "bin/omoi"));
  const own = (block: string): string => block.replaceAll("acme-corp", org.slug);
  const [creation = "", rotation = "", end = ""] = await codeBlocks(GUIDE, "sh");
  const params = { org_id: org.id };
  const accounts = async (): Promise<ServiceAccount[]> =>
    (await owner.api.serviceAccounts.list({ params })).data;

  const created = await runScript(own(creation));
  expect([created.code, created.code === 0 ? "" : created.err]).toEqual([0, ""]);
  const key = /sk_live_[A-Za-z0-9]{36}/.exec(created.out)?.[0] as string;
  expect(await accounts()).toMatchObject([{ name: "ci", role_name: "member", active_keys: 1 }]);

  const [source = ""] = await codeBlocks(GUIDE, "yaml");
  expect(await workflowErrors(source)).toEqual([]);
  const workflow = parse(source) as { jobs: { test: { steps: { run: string }[] } } };
  const [step] = workflow.jobs.test.steps;
  // Without a program of the preset the server refuses the run, after it has let the account through.
  const started = await runScript(step?.run as string, {
    OMOI_URL: app.url,
    OMOI_TOKEN: key,
    AGENT_ID: agent.id,
  });
  expect(started.out + started.err).toContain("409");
  expect(started.out).not.toContain("insufficient_permission");

  const rotated = await runScript(own(rotation));
  expect([rotated.code, rotated.code === 0 ? "" : rotated.err]).toEqual([0, ""]);
  const next = /sk_live_[A-Za-z0-9]{36}/.exec(rotated.out.slice(rotated.out.indexOf("…")))?.[0];
  expect(next).not.toBe(key);
  await app.client(key).projects.list();

  const ended = await runScript(
    own(end).replaceAll(/^(omoi .*?(?:revoke-key|delete) .*?)( +#|$)/gm, "$1 --yes$2"),
  );
  expect([ended.code, ended.code === 0 ? "" : ended.err]).toEqual([0, ""]);
  expect(await accounts()).toEqual([]);
  await expectProblem(app.client(key).projects.list(), 401, "invalid_token");
});
