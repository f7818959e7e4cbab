/** The workflow of docs/how-to/github-actions.md: GitHub's own parser accepts it, and its commands run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { workflowErrors } from "#test/support/documents/workflow-errors.js";
import { makeOrganization, makeProject, makeWorkspace } from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { builtFile, root } from "#test/support/server/built-files.js";
import { signedInCli } from "#test/support/server/signed-in-cli.js";

interface Step {
  name?: string;
  run?: string;
}

interface Workflow {
  jobs: { work: { env: Record<string, string>; steps: Step[] } };
}

const GUIDE = "how-to/github-actions.md";
let source: string;
let workflow: Workflow;
beforeAll(async () => {
  [source = ""] = await codeBlocks(GUIDE, "yaml");
  workflow = parse(source) as Workflow;
});

test("GitHub's parser accepts the workflow, and the one of this repository", async () => {
  expect(await workflowErrors(source)).toEqual([]);
  expect(
    await workflowErrors(readFileSync(join(root, ".github/workflows/ci.yml"), "utf8")),
  ).toEqual([]);
  // The parser reports wrong keys and expressions.
  expect(await workflowErrors(source.replace("runs-on", "run-on"))).not.toEqual([]);
  expect(await workflowErrors(source.replace("secrets.OMOI_URL", "secret.OMOI_URL"))).not.toEqual(
    [],
  );
});

test("no input or secret is part of a command", () => {
  const commands = workflow.jobs.work.steps.flatMap(({ run }) => run ?? []);
  expect(commands.length).toBeGreaterThan(4);
  expect(commands.filter((command) => command.includes("${{"))).toEqual([]);
});

let app: TestApp;
let owner: TestPerson;
let org: Organization;
let agent: Agent;
let folder: string;
let token: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "omoi-actions-guide-"));
  const tools = join(folder, "tools");
  mkdirSync(tools);
  chmodSync(folder, 0o755);
  // A program in the place of Claude Code: it follows the prompt or fails.
  writeFileSync(
    join(tools, "claude"),
    `#!/bin/sh
case "$*" in
--version) echo "1.2.3 (fake)";;
*"Do it"*) echo done > done.txt; sleep 1; echo '{"type":"result","result":"Done"}';;
*) exit 9;;
esac
`,
  );
  chmodSync(join(tools, "claude"), 0o755);
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  symlinkSync(builtFile("cli/main.js"), join(folder, "node_modules/.bin/omoi"));
  app = await startTestApp({ OMOI_SANDBOX_READONLY: tools }, "real");
  owner = await app.person("Ada");
  org = await makeOrganization(owner);
  const project = await makeProject(owner, org.id);
  ({ agent } = await makeWorkspace(owner, project.id));
  await owner.api.organizationSecrets.set({
    params: { org_id: org.id, name: "ANTHROPIC_API_KEY" },
    body: { value: "a key of the provider", kind: "variable" },
  });
  const [block = ""] = await codeBlocks(GUIDE, "sh");
  const cli = await signedInCli(app.url, owner);
  const commands = block.replaceAll("acme-corp", org.slug).replaceAll("\\\n", " ").trim();
  for (const command of commands.split("\n")) {
    const created = await cli.run(...command.trim().split(/\s+/).slice(1), "--json");
    expect([created.code, created.err]).toEqual([0, ""]);
  }
  const rotation = ["service-account", "rotate-key", "ci", "github-actions", "--json"];
  const rotated = await cli.run(...rotation);
  expect([rotated.code, rotated.err]).toEqual([0, ""]);
  ({ key: token } = JSON.parse(rotated.out) as { key: string });
  cli.close();
});
afterAll(async () => {
  await app?.close();
  rmSync(folder, { recursive: true });
});

/** Runs a step as GitHub does, with the environment of the job. */
async function runStep(name: string, prompt: string) {
  const values: Record<string, string> = {
    "secrets.OMOI_URL": app.url,
    "secrets.OMOI_TOKEN": token,
    "vars.OMOI_ORG": org.slug,
    "inputs.agent": agent.name,
    "inputs.prompt": prompt,
  };
  const env = Object.entries(workflow.jobs.work.env).map(([variable, value]) => [
    variable,
    values[/^\$\{\{ (.*) \}\}$/.exec(value)?.[1] ?? ""],
  ]);
  const step = workflow.jobs.work.steps.find((one) => one.name === name);
  const child = spawn("bash", ["-e", "-c", step?.run as string], {
    cwd: folder,
    env: { PATH: process.env["PATH"], HOME: folder, ...Object.fromEntries(env) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return { code: code as number, out, err };
}

test("the steps run with the key of the guide, from the prompt to the queued merge", async () => {
  const worked = await runStep("Work", "Do it; $(touch injected)");
  expect([worked.code, worked.code === 0 ? "" : worked.out + worked.err]).toEqual([0, ""]);
  const shown = await runStep("Show the changes", "");
  expect([shown.code, shown.out]).toEqual([0, expect.stringMatching(/done\.txt/)]);
  expect(shown.out).not.toContain("injected");
  const merged = await runStep("Merge", "");
  expect([merged.code, merged.err]).toEqual([0, ""]);
  const merges = async () =>
    (await owner.api.workspaces.merges({ params: { agent_id: agent.id }, query: {} })).data;
  await expect.poll(async () => (await merges()).length).toBe(1);

  const failed = await runStep("Work", "Fail");
  expect([failed.code, failed.err]).toEqual([9, expect.stringContaining("exit code 9")]);
  // No run is left to stop.
  expect((await runStep("Stop the agent", "")).code).toBe(5);
});
