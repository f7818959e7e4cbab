import { setTimeout as pause } from "node:timers/promises";
import type { Run } from "#shared/api/runs.js";
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

/** Looks at what the agent has written, changes nothing, and says so in colours. */
const countTests = `printf '\\033[1mTests by file\\033[0m\\n'
echo "signed in with $REPORT_TOKEN"
grep -rc 'def test_' --include='test_*.py' . | while IFS=: read -r file tests; do
  printf '\\033[32m%4d\\033[0m %s\\n' "$tests" "\${file#./}"
done`;
const findPrints = `echo 'Looking for what is left of debugging'
if grep -rnE '\\b(print|breakpoint)\\(' --include='*.py' . ; then
  printf '\\033[31mRemove the calls above.\\033[0m\\n' >&2; exit 1
fi
echo 'Found nothing'`;
const watchSources = `echo 'Watching the sources; every change is told'
before=
while :; do
  now=$(find . -name '*.py' -newer /tmp/since 2>/dev/null | sort)
  [ "$now" = "$before" ] || printf '%s\\n' "$now"
  before=$now; : > /tmp/since
  echo "$(find . -name '*.py' | wc -l) files, $(cat $(find . -name '*.py') | wc -l) lines"
  sleep 5
done`;

/**
 * Has an agent run commands in its workspace: two that end, and one that goes on. False where this
 * machine cannot isolate them.
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
  // It starts when the two have ended.
  for (let { status } = last; status === "queued";) {
    await pause(100);
    ({ status } = (await runs.get({ params: { run_id: last.id } })).data);
  }
  return true;
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
