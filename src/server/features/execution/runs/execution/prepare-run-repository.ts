import type { LogWriter } from "#execution/logs/log-writer.js";
import { safeMessage, scriptRunner } from "#execution/scripts/run-script.js";
import type { ReadOnlyFolder } from "#sandbox/sandbox.js";
import type { RunCommits } from "../../../code/workspaces/index.js";
import * as managed from "../managed-runs.queries.js";
import type { ExecutionDeps, Launch } from "./launch.js";
import { commitsOf } from "./run-commits.js";

/**
 * Prepares the repository of a run, which goes on without one if that fails. Returns the folders that
 * the command must see, and the source of its commits.
 */
export async function prepareRunRepository(
  { db, settings, log, records, closing }: ExecutionDeps,
  { run, repository, uid, sandbox, masker }: Launch,
  written: LogWriter,
): Promise<{ readOnly: readonly ReadOnlyFolder[]; commits: RunCommits | null }> {
  if (repository === null || run.kind !== "managed" || sandbox.report.mode === "off") {
    return { readOnly: [], commits: null };
  }
  const runScript = scriptRunner(sandbox, run.limits, settings.runFiles);
  const { agent_id } = run;
  const prepared = await records
    .record("the repository of a run", async () => {
      const taken = await db.tenant(run.org_id, (tx) => managed.findTakenCommits(tx, agent_id));
      return repository.prepareRepository(runScript, taken);
    })
    .catch((error: unknown) => {
      log.error({ err: error, run: run.id }, "cannot prepare the repository of a run");
      const problem = "the operator can find the cause in the server's log.";
      return { readOnly: [], problem, untaken: [] };
    });
  const { problem, untaken } = prepared;
  for (const branch of untaken) {
    const text = `Commits of an earlier run were not taken; they are now in the branch ${branch}.`;
    await written.say(text);
  }
  const error =
    problem === null ? null : safeMessage(`The run has no git repository: ${problem}`, masker);
  if (error !== null) await written.say(`${error}\n`);
  const tip = error === null ? repository.head : null;
  await records.record("the repository of a run", () =>
    db.tenant(run.org_id, (tx) => managed.recordRepository(tx, run.id, { tip, error })),
  );
  const commits =
    tip === null ? null : commitsOf(db, run, uid, runScript, settings, masker, closing);
  return { readOnly: prepared.readOnly, commits };
}
