import type { Agent } from "#shared/api/work/agents.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Run } from "#shared/api/execution/runs.js";
import type { RadarPair } from "#shared/api/code/radar.js";
import { asApiError, client, clientError, everyPage } from "../../../api/client.js";

/** Two agents that change the same line, so that a predicted conflict can be seen. */
export const opponentSides = ["left", "right"] as const;
export type OpponentSide = (typeof opponentSides)[number];
export type Opponents = Partial<Record<OpponentSide, Agent>>;

/** Marks an agent of the demonstration: its name may have a number, as names are unique. */
const descriptions: Record<OpponentSide, string> = {
  left: "Left side of the conflict of Getting started.",
  right: "Right side of the conflict of Getting started.",
};

export function isOpponent({ description }: Agent): boolean {
  return opponentSides.some((side) => descriptions[side] === description);
}

export function opponentsOf(agents: readonly Agent[], projectId: string | undefined): Opponents {
  const found: Opponents = {};
  for (const side of opponentSides) {
    const agent = agents.find(
      ({ project_id, description }) =>
        project_id === projectId && description === descriptions[side],
    );
    if (agent) found[side] = agent;
  }
  return found;
}

/** Replaces the first line of hello.md, and makes the file where there is none. */
function scriptOf(side: OpponentSide): string {
  return `echo "Changing the first line of hello.md…"
{ echo "# Hello from the ${side}"; [ ! -f hello.md ] || tail -n +2 hello.md; } > hello.new
mv hello.new hello.md
head -n 1 hello.md
`;
}

const maxAttempts = 20;
const pollMs = 500;
/** A run may wait in the queue for longer; another press of the button goes on. */
const TIMEOUT_MS = 120_000;

/** Waits; rejects when the viewer leaves the page. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Makes what is missing of the two agents, their workspaces and their commits, and waits until the
 * conflict is predicted. It starts from the server's state, so that it goes on after an interruption.
 * @returns the agent whose page shows the conflict
 */
export async function makeConflict(
  project: Project,
  onProgress: (text: string) => void,
  signal: AbortSignal,
): Promise<Agent> {
  onProgress("Creating two agents with workspaces…");
  const pair: Agent[] = [];
  for (const side of opponentSides) pair.push(await readyOpponent(project, side, signal));
  onProgress("Both agents change the first line of hello.md…");
  const deadline = Date.now() + TIMEOUT_MS;
  await Promise.all(
    pair.map((agent, at) => committed(agent, opponentSides[at] ?? "left", deadline, signal)),
  );
  onProgress("Comparing their branches…");
  const shown = pair[1] as Agent;
  const isPair = ({ other }: RadarPair): boolean => [pair[0]?.id, null].includes(other.agent_id);
  // The page of the conflict polls, too, if the comparison takes longer.
  for (let round = 0; round < 20; round += 1) {
    const params = { agent_id: shown.id };
    const { data: radar } = await client.radar.workspace({ params }, { signal });
    if (radar.is_current && radar.pairs.some(isPair)) break;
    await pause(pollMs, signal);
  }
  return shown;
}

/** Returns the agent of a side, with a workspace. */
async function readyOpponent(
  project: Project,
  side: OpponentSide,
  signal: AbortSignal,
): Promise<Agent> {
  const agent = await opponent(project, side, signal);
  if (agent.workspace_branch === null) {
    try {
      await client.workspaces.create({ params: { agent_id: agent.id }, body: {} }, { signal });
    } catch (error) {
      // Created in another tab meanwhile.
      if (asApiError(error).code !== "workspace_exists") throw error;
    }
  }
  return agent;
}

async function opponent(
  { id: project_id, organization_id }: Project,
  side: OpponentSide,
  signal: AbortSignal,
): Promise<Agent> {
  const taken = new Set<string>();
  for (let attempt = 1; ; attempt += 1) {
    // Read again after a taken name: another tab may have created the agent itself.
    const agents = await everyPage((query) =>
      client.agents.list({ query: { ...query, organization_id } }, { signal }),
    );
    const existing = opponentsOf(agents, project_id)[side];
    if (existing) return existing;
    for (const agent of agents) taken.add(agent.name);
    let name = `demo-${side}`;
    for (let number = 2; taken.has(name); number += 1) name = `demo-${side}-${number}`;
    try {
      const body = { project_id, name, description: descriptions[side] };
      return (await client.agents.create({ body }, { signal })).data;
    } catch (error) {
      // The list lacks terminated agents, whose names may be taken.
      if (asApiError(error).code !== "name_taken" || attempt === maxAttempts) throw error;
      taken.add(name);
    }
  }
}

/** Starts the agent's script unless it has run or is running, and waits for its commit. */
async function committed(
  agent: Agent,
  side: OpponentSide,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  const params = { agent_id: agent.id };
  const { data: runs } = await client.runs.list({ params, query: { limit: 1 } }, { signal });
  let run = runs[0];
  if (run === undefined || (run.ended_at !== null && problemOf(run) !== null)) {
    const body = { command: ["sh", "-c", scriptOf(side)], queue: true };
    run = (await client.runs.create({ params, body }, { signal })).data;
  }
  while (run.ended_at === null) {
    if (Date.now() > deadline) {
      throw clientError(409, `The run of ${agent.name} has not ended yet. Press the button again.`);
    }
    await pause(pollMs, signal);
    run = (await client.runs.get({ params: { run_id: run.id } }, { signal })).data;
  }
  const problem = problemOf(run);
  if (problem !== null) throw clientError(409, `${agent.name} made no commit: ${problem}`);
}

/** Why a run that has ended brought no commit; null if it did, or if there was nothing to commit. */
export function problemOf({ status, detail, checkpoint }: Run): string | null {
  if (status !== "succeeded") return detail ?? `It ended as ${status}.`;
  return checkpoint?.error ?? null;
}
