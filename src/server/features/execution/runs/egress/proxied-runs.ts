import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "pino";
import { parseAllowedHosts } from "#shared/execution/egress.js";
import { EgressError } from "#execution/proxy/egress-error.js";
import { recordEgress, type EgressRecorder } from "#execution/proxy/egress-recorder.js";
import {
  openRunConnections,
  type EgressOptions,
  type RunConnections,
} from "#execution/proxy/run-connections.js";
import type { RowChange } from "../../../../db/cache/changes.js";
import type { Database } from "../../../../db/connection/connect.js";
import { readRunSecrets } from "../../secrets/index.js";
import type { RunKeyring, RunOfToken } from "../run-tokens.js";
import type { RunSettings } from "../run-settings.js";
import { maskerFor } from "../run-variables.js";
import { findProxiedRun, insertEgress } from "./egress.queries.js";

/** Time between two checks of runs that no change has announced: an expired lease, a lost change feed. */
const CHECK_MS = 10_000;
/** Attempts to record the rest of an ended run's connections, one second apart. */
const RECORD_ATTEMPTS = 5;

export interface ProxiedRunsDeps {
  db: Database;
  runTokens: RunKeyring;
  settings: RunSettings;
  log: Logger;
}

/** The runs that use the proxy of this process. */
export interface ProxiedRuns {
  /**
   * Returns the connections of a run in the cluster with a restricted network.
   * @throws EgressError 403
   */
  find(run: RunOfToken, token: string): Promise<RunConnections>;
  /** Ends and records all connections. */
  close(): Promise<void>;
}

interface ProxiedRun extends RunOfToken {
  opened: Promise<{ connections: RunConnections; recorder: EgressRecorder }>;
}

/** @param address replaces how names are resolved and which addresses are refused */
export function openProxiedRuns(
  { db, runTokens, settings, log }: ProxiedRunsDeps,
  address: Pick<EgressOptions, "resolve" | "refuse">,
): ProxiedRuns {
  const runs = new Map<string, ProxiedRun>();
  /** Runs whose last connections are being recorded. */
  const ending = new Set<Promise<void>>();

  /** Removes the values of the project's secrets; those of a variable of the run alone are not stored. */
  const maskOf = async (orgId: string, projectId: string, token: string) => {
    try {
      const { variables } = await db.read(orgId, (tx) =>
        readRunSecrets(settings.secret, tx, orgId, projectId),
      );
      return maskerFor({ settings }, variables, token);
    } catch (error) {
      log.warn({ err: error, project: projectId }, "connections are masked by shapes of keys only");
      return maskerFor({ settings }, {}, token);
    }
  };
  const open = async ({ id, orgId }: RunOfToken, token: string) => {
    const run = await db.tenant(orgId, (tx) => findProxiedRun(tx, id));
    if (!run) {
      throw new EgressError("only runs in the cluster with a restricted network use this proxy");
    }
    const masker = await maskOf(orgId, run.project_id, token);
    const recorder = recordEgress({
      store: (egress) => db.tenant(orgId, (tx) => insertEgress(tx, { id, org_id: orgId }, egress)),
      // The log is written by the pod alone: its uploads continue at an offset.
      log: () => undefined,
      mask: (text) => masker.mask(text),
    });
    const connections = openRunConnections({
      ...address,
      allowed: parseAllowedHosts(run.allowed_hosts ?? []),
      onConnection: (connection) => recorder.add(connection),
    });
    return { connections, recorder };
  };

  const record = async (id: string, recorder: EgressRecorder): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await recorder.close();
      } catch (error) {
        log.warn({ err: error, run: id, attempt }, "cannot record the connections of a run");
        if (attempt === RECORD_ATTEMPTS) return;
        await pause(1000);
      }
    }
  };
  const end = (id: string): void => {
    const run = runs.get(id);
    if (!run) return;
    runs.delete(id);
    const ended = run.opened
      .then(
        async ({ connections, recorder }) => {
          await connections.close();
          await record(id, recorder);
        },
        () => undefined,
      )
      .finally(() => ending.delete(ended));
    ending.add(ended);
  };

  let checking: Promise<void> | null = null;
  let checkAgain = false;
  const checkAll = async (): Promise<void> => {
    do {
      checkAgain = false;
      const ids = [...runs.keys()];
      if (ids.length === 0) return;
      try {
        const usable = await runTokens.listUsable(ids);
        for (const id of ids) if (!usable.has(id)) end(id);
      } catch (error) {
        log.warn({ err: error }, "cannot check the runs that use the proxy");
        return;
      }
    } while (checkAgain);
  };
  /** Ends the connections of runs that have ended. */
  const check = (): void => {
    checkAgain = true;
    checking ??= checkAll().finally(() => {
      checking = null;
    });
  };
  const unsubscribe = db.changes.subscribe((change) => {
    if (concerns([...runs.values()], change)) check();
  });
  const timer = setInterval(check, CHECK_MS);
  timer.unref();

  return {
    find: async (run, token) => {
      let found = runs.get(run.id);
      if (!found) {
        found = { ...run, opened: open(run, token) };
        runs.set(run.id, found);
        found.opened.then(
          // It may have ended before its changes were followed.
          check,
          () => runs.delete(run.id),
        );
      }
      return (await found.opened).connections;
    },
    close: async () => {
      unsubscribe();
      clearInterval(timer);
      for (const id of runs.keys()) end(id);
      await Promise.all([...ending, checking]);
    },
  };
}

/** Whether a change may end a run; null if changes may have been missed. */
function concerns(runs: readonly RunOfToken[], change: RowChange | null): boolean {
  if (change === null) return runs.length > 0;
  const { table, id } = change;
  switch (table) {
    case "runs":
    case "agents":
      // Both name the agent.
      return runs.some(({ agentId }) => agentId === id);
    case "organizations":
      return runs.some(({ orgId }) => orgId === id);
    case "users":
      return runs.length > 0;
    default:
      return false;
  }
}
