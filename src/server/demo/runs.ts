import { isRefusal } from "./session.js";
import type { Person } from "./session.js";

/** A leased run of the demo and who keeps it going. */
export interface LiveRun {
  person: Person;
  agentId: string;
  runId: string;
}

/** Starts a leased run: the agent "works" here, outside the server. */
export async function startRun(person: Person, agentId: string): Promise<LiveRun> {
  const { data } = await person.api.runs.create({
    params: { agent_id: agentId },
    body: { external: true },
  });
  return { person, agentId, runId: data.id };
}

// A lease lasts 60 s: two heartbeats may be late before a run is lost.
const heartbeatMs = 20_000;

/**
 * Sends heartbeats for the runs until stopped. A run that was lost all the same, since the machine
 * slept for example, is followed by a new one of its agent; one that somebody stopped stays stopped.
 */
export function keepRunsAlive(
  runs: readonly LiveRun[],
  log: (line: string) => void,
): { stop(): void } {
  const alive = new Set(runs);
  let beating = false;
  const beat = async (run: LiveRun): Promise<void> => {
    const { api } = run.person;
    try {
      await api.runs.heartbeat({ params: { run_id: run.runId } });
    } catch (error) {
      if (!isRefusal(error, "run_ended")) throw error;
      const { data: ended } = await api.runs.get({ params: { run_id: run.runId } });
      // A start that fails leaves the old run in the set: the next beat tries again.
      if (ended.status === "lost") alive.add(await startRun(run.person, run.agentId));
      alive.delete(run);
    }
  };
  const timer = setInterval(() => {
    if (beating) return;
    beating = true;
    void Promise.allSettled([...alive].map(beat)).then((outcomes) => {
      beating = false;
      const failed = outcomes.find((outcome) => outcome.status === "rejected");
      if (failed) log(`A heartbeat failed: ${(failed.reason as Error).message}`);
    });
  }, heartbeatMs);
  return { stop: () => clearInterval(timer) };
}
