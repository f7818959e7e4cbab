/**
 * An end-to-end scenario through the API of any server: if it completes, the installation works.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { folderOf, makeAgent, makeOrganization, makeProject } from "../fixtures/factories.js";
import { shell, waitForRunEnd } from "../fixtures/runs.js";
import { clientOf } from "./server-process.js";

/** The owner and the project of the scenario. */
export interface ScenarioResult {
  owner: { api: Client; token: string };
  projectId: string;
  /** The git URL of the project. */
  cloneUrl: string;
}

interface ScenarioOptions {
  /** The run's command, which must print "hello"; by default it prints a file of the workspace. */
  script?: string;
  type?: "local" | "docker";
  network?: "none" | "full";
  /** Writes a file of the workspace; by default into its folder on this machine. */
  write?: (path: string, text: string) => Promise<void>;
}

/**
 * Registers a person, creates an organization, a project, an agent and its workspace, commits,
 * merges, and runs a command.
 * @throws if a step fails
 */
export async function runScenario(
  url: string,
  options: ScenarioOptions = {},
): Promise<ScenarioResult> {
  const { script = "cat hello.txt", type = "local", network = "none", write = writeFile } = options;
  const person = { email: "ada@example.com", password: "correct staple horse" };
  await clientOf(url).auth.register({ body: person });
  const { data: session } = await clientOf(url).auth.login({ body: person });
  const owner = { api: clientOf(url, session.access_token), token: session.access_token };
  const organization = await makeOrganization(owner);
  const project = await makeProject(owner, organization.id);
  const params = { agent_id: (await makeAgent(owner, project.id)).id };
  const { data: workspace } = await owner.api.workspaces.create({
    params,
    body: { workspace_type: type },
  });
  await write(join(folderOf(workspace), "hello.txt"), "hello\n");
  const { data: commit } = await owner.api.workspaces.createCommit({
    params,
    body: { commit_type: "manual" },
  });
  expect(commit).toMatchObject({ files_changed: 1 });
  const { data: merge } = await owner.api.workspaces.createMerge({ params, body: {} });
  expect(merge).toMatchObject({ status: "clean" });
  const { data: run } = await owner.api.runs.create({
    params,
    body: { command: shell(script), network },
  });
  const ended = await waitForRunEnd(owner, run.id);
  expect(ended, JSON.stringify(ended)).toMatchObject({ status: "succeeded" });
  const log = await fetch(`${url}/api/v1/runs/${run.id}/logs`, {
    headers: { authorization: `Bearer ${owner.token}` },
  });
  expect(await log.text()).toContain("hello");
  return { owner, projectId: project.id, cloneUrl: project.clone_url };
}
