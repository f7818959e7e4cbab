import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import type { Run } from "#shared/api/execution/runs.js";
import { folderOf, makeWorkspace } from "../fixtures/factories.js";
import { shell, waitForRunEnd } from "../fixtures/runs.js";
import type { TestPerson } from "../server/app.js";

export interface LiveRun {
  agent: Agent;
  run: Run;
  token: string;
  end(): Promise<Run>;
}

/** Starts a run of a new agent that waits, and returns its token. */
export async function startLiveRun(owner: TestPerson, projectId: string): Promise<LiveRun> {
  const { agent, workspace } = await makeWorkspace(owner, projectId);
  const script = 'printf %s "$OMOI_TOKEN" > token.new; mv token.new token; sleep 600';
  const { data: run } = await owner.api.runs.create({
    params: { agent_id: agent.id },
    body: { command: shell(script) },
  });
  const file = join(folderOf(workspace), "token");
  await expect.poll(() => readFile(file, "utf8").catch(() => "")).toMatch(/^ort_/);
  return {
    agent,
    run,
    token: await readFile(file, "utf8"),
    end: async () => {
      await owner.api.runs.stop({ params: { run_id: run.id } });
      return waitForRunEnd(owner, run.id);
    },
  };
}
