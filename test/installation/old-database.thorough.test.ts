import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Client } from "#shared/contract/client.js";
import { storageIn } from "#server/data-folder/storage.js";
import { expectProblem } from "../support/server/app.js";
import { removeDataFolder } from "../support/server/data-folder.js";
import {
  commitFiles,
  makeOrganization,
  makeProject,
  makeWorkspace,
  mergeIntoBase,
  writeFiles,
} from "../support/fixtures/factories.js";
import { git } from "../support/git/git.js";
import { clientOf, startServer, type ServerProcess } from "../support/server/server-process.js";

const person = { email: "ann@example.com", password: "correct staple horse" };

let dataDir: string;
let server: ServerProcess;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "omoi-old-"));
});
afterEach(async () => {
  await stop();
  await removeDataFolder(dataDir);
});

async function start(): Promise<Client> {
  server = startServer({ OMOI_DATA_DIR: dataDir });
  const url = await server.ready;
  await clientOf(url)
    .auth.register({ body: person })
    .catch(() => {});
  const { data } = await clientOf(url).auth.login({ body: person });
  return clientOf(url, data.access_token);
}

async function stop(): Promise<void> {
  server.process.kill("SIGTERM");
  await server.ended;
}

test("a database older than the repositories takes over the commits it does not know", async () => {
  let api = await start();
  const org = await makeOrganization({ api });
  const project = await makeProject({ api }, org.id);
  const [one, other] = [
    await makeWorkspace({ api }, project.id),
    await makeWorkspace({ api }, project.id),
  ];
  await commitFiles({ api }, one.workspace, { "one.txt": "1\n" });
  await commitFiles({ api }, other.workspace, { "other.txt": "1\n" });
  await stop();
  await cp(join(dataDir, "postgres"), join(dataDir, "older"), { recursive: true });
  api = await start();
  await commitFiles({ api }, one.workspace, { "one.txt": "2\n" });
  const { commit_sha: newest } = await commitFiles({ api }, one.workspace, { "two.txt": "2\n" });
  await mergeIntoBase({ api }, one.workspace);
  await writeFiles(one.workspace, { "unsaved.txt": "unsaved\n" });
  await stop();

  await rm(join(dataDir, "postgres"), { recursive: true });
  await cp(join(dataDir, "older"), join(dataDir, "postgres"), {
    recursive: true,
    preserveTimestamps: true,
  });
  api = await start();
  const params = { agent_id: one.agent.id };
  const saved = await api.workspaces.createCommit({
    params,
    body: { commit_type: "checkpoint" },
  });
  expect(saved.data).toMatchObject({ files_changed: 1 });
  const { data: commits } = await api.workspaces.commits({ params, query: {} });
  expect(commits.map(({ commit_sha }) => commit_sha)).toContain(newest);
  await mergeIntoBase({ api }, one.workspace);
  await commitFiles({ api }, other.workspace, { "other.txt": "2\n" });
  await mergeIntoBase({ api }, other.workspace);

  // A branch that lacks a commit of the database cannot be repaired.
  const repoPath = storageIn(dataDir).repository(org.id, project.id);
  const ref = `refs/heads/${other.workspace.branch_name}`;
  await git(["-C", repoPath, "update-ref", ref, "main~1"]);
  await writeFile(join(other.workspace.working_directory ?? "", "more.txt"), "more\n");
  const commitOther = api.workspaces.createCommit({
    params: { agent_id: other.agent.id },
    body: { commit_type: "checkpoint" },
  });
  const problem = await expectProblem(commitOther, 409, "repository_mismatch");
  expect(problem.detail).toContain("must restore both from one backup");
});
