/** Disk usage of workspaces and repositories, measured periodically. */
import type { Logger } from "pino";
import type { DiskUsage } from "#shared/api/organization/usage.js";
import { measureTree } from "#git/worktree/disk-usage.js";
import type { OtherNodes } from "../../../http/forwarding/other-nodes.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { measureFolder, type WorkspaceDeps as MeasureDeps } from "../../code/workspaces/index.js";
import * as queries from "./disk-usage.queries.js";
import type { Due } from "./disk-usage.queries.js";

export type { MeasureDeps };

/** Age in minutes after which a figure is measured again, in the background and on request. */
const STALE_MINUTES = 30;
const ASKED_MINUTES = 1;
/** Maximum wait of a request for fresh figures, in milliseconds. */
const FRESH_TIMEOUT_MS = 300;

/** Measurements in progress in this process, to avoid duplicates. */
const measuring = new Map<string, Promise<void>>();

/**
 * Times of failed measurements, by id. An agent that moves its folders all the time must not hold up
 * those of others.
 */
const failures = new Map<string, number>();

/** Returns the ids whose measurement has failed recently. */
function failedIds(): string[] {
  const since = Date.now() - STALE_MINUTES * 60_000;
  for (const [id, at] of failures) if (at < since) failures.delete(id);
  return [...failures.keys()];
}

/** Measures once for concurrent callers. Never throws: the last figure stays. */
function measure(deps: MeasureDeps, due: Due, log: Logger): Promise<void> {
  const { kind, id } = due;
  const key = `${kind} ${id}`;
  const begin = async (): Promise<void> => {
    try {
      await measureOne(deps, due);
      failures.delete(id);
    } catch (error) {
      failures.set(id, Date.now());
      log.warn({ err: error, [kind]: id }, "cannot measure disk usage");
    }
  };
  const running = measuring.get(key) ?? begin().finally(() => measuring.delete(key));
  measuring.set(key, running);
  return running;
}

async function measureOne(deps: MeasureDeps, due: Due): Promise<void> {
  const { db, storage } = deps;
  const { kind, org_id, id } = due;
  if (kind === "repository") {
    const bytes = await measureTree(storage.repository(org_id, id));
    // The project's caches: what workspaces and runs of all agents borrow.
    const caches = [
      storage.projectLayers(org_id, id),
      storage.projectEnvironments(org_id, id),
      storage.exports(org_id, id),
    ];
    const sizes = await Promise.all(caches.map((folder) => measureTree(folder)));
    const layers_bytes = sizes.reduce((sum, size) => sum + size, 0);
    const values = { org_id, project_id: id, bytes, layers_bytes };
    await db.tenant(org_id, (tx) => queries.recordRepository(tx, values));
    return;
  }
  const bytes = await measureFolder(deps, org_id, id);
  if (bytes === null) return;
  await db.tenant(org_id, (tx) => queries.recordWorkspace(tx, { org_id, agent_id: id, bytes }));
}

/** Measures as many of `dues` as possible within the timeout, and the rest in the background. */
async function measureSoon(deps: MeasureDeps, dues: readonly Due[], log: Logger): Promise<void> {
  if (dues.length === 0) return;
  const all = (async () => {
    for (const due of dues) await measure(deps, due, log);
  })();
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FRESH_TIMEOUT_MS);
  });
  await Promise.race([all, timeout]);
  clearTimeout(timer);
}

/** Refreshes a workspace's figure within the timeout. */
export async function refreshWorkspace(
  deps: MeasureDeps,
  context: OrgContext,
  agentId: string,
  measuredAt: string | null,
): Promise<void> {
  const age = measuredAt === null ? Number.POSITIVE_INFINITY : Date.now() - Date.parse(measuredAt);
  if (age < ASKED_MINUTES * 60_000) return;
  const due: Due = { kind: "workspace", org_id: context.orgId, id: agentId };
  await measureSoon(deps, [due], context.log);
}

/** Returns the organization's figures, refreshed within the timeout. */
export async function readDiskUsage(
  deps: MeasureDeps,
  otherNodes: OtherNodes,
  context: OrgContext,
): Promise<DiskUsage> {
  const { dues, known } = await context.tx(async (tx) => ({
    dues: await queries.listDue(tx, deps.db.node.id, ASKED_MINUTES, 200, failedIds()),
    known: otherNodes.isNone ? [] : await queries.readProjects(tx),
  }));
  const homes = await otherNodes.homesOf(known.map(({ project_id }) => project_id));
  // Other nodes measure, too; the figures are in the database.
  await Promise.all([
    measureSoon(deps, dues, context.log),
    otherNodes.ask(context, homes.values()),
  ]);
  const projects = await context.tx((tx) => queries.readProjects(tx));
  const sum = (of: (project: (typeof projects)[number]) => number): number =>
    projects.reduce((total, project) => total + of(project), 0);
  const times = projects.flatMap(({ measured_at }) => measured_at ?? []);
  return {
    workspaces_bytes: sum((project) => project.workspaces_bytes),
    repositories_bytes: sum((project) => project.repositories_bytes),
    layers_bytes: sum((project) => project.layers_bytes),
    measured_at: times.toSorted()[0] ?? null,
    projects,
  };
}

/** Measures stale figures in the background, a few per minute. */
export function startMeasuring(deps: MeasureDeps, log: Logger): { stop(): Promise<void> } {
  let running = Promise.resolve();
  const look = async (): Promise<void> => {
    const dues = await deps.db.withSystem("find figures to measure", (db) =>
      queries.listDue(db, deps.db.node.id, STALE_MINUTES, 50, failedIds()),
    );
    for (const due of dues) await measure(deps, due, log);
  };
  const timer = setInterval(() => {
    running = running.then(look).catch((error: unknown) => {
      log.warn({ err: error }, "cannot find figures to measure");
    });
  }, 60_000);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all([running, ...measuring.values()]).catch(() => {});
    },
  };
}
