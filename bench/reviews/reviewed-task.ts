import { join } from "node:path";
import type { Client } from "#shared/contract/client.js";
import { acpAgent } from "#test/support/fixtures/acp-agent.js";
import { command } from "../support/harness.js";
import { importProject } from "../support/repository.js";
import { writeSources } from "./sources.js";

export interface ReviewedTask {
  taskId: string;
  /** A working tree with the first version, beside the server's. */
  original: string;
  /** The folder of the only attempt. */
  workspace: string;
  /** Lets the agent take a turn, whose end commits what the folder has. */
  commit: () => Promise<void>;
}

/** Creates a project with so many files, and a task whose agent waits, so that its folder can be written. */
export async function makeTask(api: Client, folder: string, files: number): Promise<ReviewedTask> {
  const original = join(folder, `original-${files}`);
  await writeSources(original, files, "first");
  const git = (...args: string[]): Promise<string> => command("git", args, original);
  await git("init", "--quiet", "--initial-branch=main");
  await git("add", "-A");
  await git("commit", "--quiet", "-m", "First");
  const source = join(folder, `source-${files}.git`);
  await command("git", ["clone", "--quiet", "--bare", original, source], folder);
  const project_id = await importProject(api, source);
  const { data: task } = await api.tasks.create({
    params: { project_id },
    body: { body: "say hello", preset: "custom", command: acpAgent("load"), network: "none" },
  });
  const params = { task_id: task.id };
  for (;;) {
    const { data } = await api.tasks.get({ params });
    if (data.status === "failed") throw new Error(data.attempts[0]?.detail ?? "the task failed");
    if (data.attention !== null) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const agent = { agent_id: task.attempts[0]?.agent_id ?? "" };
  const { data: workspace } = await api.workspaces.get({ params: agent });
  if (workspace.working_directory === null) throw new Error("the workspace has no folder");
  return {
    taskId: task.id,
    original,
    workspace: workspace.working_directory,
    commit: async () => {
      const head = async (): Promise<string | null> =>
        (await api.workspaces.get({ params: agent })).data.head_commit;
      const before = await head();
      await api.tasks.prompt({ params, body: { text: "say more" } });
      while ((await head()) === before) await new Promise((resolve) => setTimeout(resolve, 20));
    },
  };
}
