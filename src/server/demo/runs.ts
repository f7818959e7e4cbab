import { setTimeout as pause } from "node:timers/promises";
import type { Run } from "#shared/api/execution/runs.js";
import { isApiError } from "./session.js";
import type { Person } from "./session.js";

/** A leased run of the demo and the user who renews it. */
export interface LiveRun {
  person: Person;
  agentId: string;
  runId: string;
}

/** Starts a leased run: the agent "works" in this process, outside the server. */
export async function startRun(person: Person, agentId: string): Promise<LiveRun> {
  const { data } = await person.api.runs.create({
    params: { agent_id: agentId },
    body: { external: true },
  });
  return { person, agentId, runId: data.id };
}

/** Reads the agent's files without changing them and prints in color. */
const countTests = `printf '\\033[1mTests by file\\033[0m\\n'
echo "signed in with $REPORT_TOKEN"
grep -rc 'def test_' --include='test_*.py' . | while IFS=: read -r file tests; do
  printf '\\033[32m%4d\\033[0m %s\\n' "$tests" "\${file#./}"
done`;
const findPrints = `echo 'Searching for leftover debugging calls'
if grep -rnE '\\b(print|breakpoint)\\(' --include='*.py' . ; then
  printf '\\033[31mRemove the calls above.\\033[0m\\n' >&2; exit 1
fi
echo 'None found'`;
const watchSources = `echo 'Watching the sources'
before=
while :; do
  now=$(find . -name '*.py' -newer /tmp/since 2>/dev/null | sort)
  [ "$now" = "$before" ] || printf '%s\\n' "$now"
  before=$now; : > /tmp/since
  echo "$(find . -name '*.py' | wc -l) files, $(cat $(find . -name '*.py') | wc -l) lines"
  sleep 5
done`;

/**
 * Runs commands in an agent's workspace: two that finish and one that keeps running. Returns false when
 * this machine cannot isolate them.
 */
export async function runCommands(person: Person, agentId: string): Promise<boolean> {
  const params = { agent_id: agentId };
  const { runs, sandbox } = person.api;
  if ((await sandbox.get()).data.mode === "unavailable") return false;
  const run = async (script: string, env: Record<string, string> = {}): Promise<Run> => {
    const command = ["sh", "-c", script];
    const body = { command, env, queue: true, timeout_seconds: 86_400 };
    return (await runs.create({ params, body })).data;
  };
  await run(countTests, { REPORT_TOKEN: "only-for-the-demo" });
  await run(findPrints);
  const last = await run(watchSources);
  // The third run starts after the first two.
  for (let { status } = last; status === "queued";) {
    await pause(100);
    ({ status } = (await runs.get({ params: { run_id: last.id } })).data);
  }
  return true;
}

// A lease lasts 60 s: a run survives two missed heartbeats.
const heartbeatMs = 20_000;

/**
 * Sends heartbeats for the runs until stopped. A run that was lost, for example because the machine
 * slept, is replaced by a new one; a run stopped by a user stays stopped.
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
      if (!isApiError(error, "run_ended")) throw error;
      const { data: ended } = await api.runs.get({ params: { run_id: run.runId } });
      // When a start fails, the old run stays in the set and the next heartbeat retries.
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
