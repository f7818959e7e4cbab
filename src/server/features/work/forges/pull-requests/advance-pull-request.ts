/**
 * Brings a pull request to what its row wants: pushed, open, labeled. Each step stores what it is about to do, and looks
 * before it repeats, so that a server that was killed in between never opens a second request.
 */
import type { Logger } from "pino";
import { pushOver } from "#git/upstream/push-upstream.js";
import { UpstreamError } from "#git/upstream/upstream-error.js";
import type { Storage } from "../../../../data-folder/storage.js";
import { systemOrigin, type Origin } from "../../../../db/audit/audit.js";
import { AppError, notFound } from "../../../../errors.js";
import type { Jobs } from "../../../../jobs/queue.js";
import {
  accessUpstream,
  fetchInBackground,
  type UpstreamAccessDeps,
} from "../../../code/projects/index.js";
import type { WorkspaceDeps } from "../../../code/workspaces/index.js";
import type { RunDeps } from "../../../execution/runs/start.js";
import { ForgeError, type Forge, type RemotePullRequest } from "../forge.js";
import { withForgeErrors, type ForgeDeps } from "../use-forge.js";
import * as queries from "./pull-requests.queries.js";
import type { PullRequestRow } from "./pull-requests.queries.js";

export interface PullRequestDeps extends ForgeDeps, UpstreamAccessDeps {
  jobs: Jobs;
  storage: Storage;
  workspaces: WorkspaceDeps;
  runs: RunDeps;
  publicUrl: () => string;
  log: Logger;
}

export const noRepository = (): AppError =>
  new AppError(
    "no_repository",
    "The project is not linked to this repository on a forge; link it first.",
  );

export const targetOf = ({ id, number, title }: Pick<PullRequestRow, "id" | "number" | "title">) =>
  ({
    type: "pull_request",
    id,
    name: `${number === null ? "" : `#${number} `}${title}`.slice(0, 255),
  }) as const;

/** Reads a request under its lock, which all that works with its forge takes. @throws AppError 404 */
export async function withPullRequest<Result>(
  { db }: Pick<PullRequestDeps, "db">,
  orgId: string,
  id: string,
  work: (row: PullRequestRow) => Promise<Result>,
): Promise<Result> {
  const known = await db.tenant(orgId, (tx) => queries.findRow(tx, id));
  if (!known) throw notFound();
  return db.locks(orgId, [`pull request ${known.project_id} ${id}`], async () => {
    const row = await db.tenant(orgId, (tx) => queries.findRow(tx, id));
    if (!row) throw notFound();
    return work(row);
  });
}

/** Calls the forge of a request. @throws AppError 409 `no_repository`; ForgeError */
export function useForgeOf<Result>(
  { clients }: Pick<ForgeDeps, "clients">,
  { org_id, forge_id }: PullRequestRow,
  work: (forge: Forge) => Promise<Result>,
): Promise<Result> {
  if (forge_id === null) throw noRepository();
  return clients.use(org_id, forge_id, work);
}

/**
 * Pushes, opens and labels what is not yet, and reads the state. The caller holds the lock.
 * @throws AppError 409 `no_repository`; 422 with the reason of the forge, which is stored as well
 */
export async function advance(
  deps: PullRequestDeps,
  row: PullRequestRow,
  origin: Origin = systemOrigin,
): Promise<void> {
  const { org_id: orgId, id } = row;
  const place = await deps.db.tenant(orgId, (tx) => queries.findPlace(tx, id));
  if (!place?.is_linked || row.forge_id === null) throw noRepository();
  try {
    await withForgeErrors(async () => {
      await push(deps, row, place);
      const number = row.number ?? (await open(deps, row));
      await decorate(deps, row, number);
      await refresh(deps, { ...row, number }, origin);
    });
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    await deps.db.tenant(orgId, (tx) =>
      queries.updatePullRequest(tx, id, {
        error: refusal.message,
        // It would fail again and again, and commits of others are never overwritten.
        ...(error instanceof UpstreamError &&
          error.reason === "not_fast_forward" && { auto_update: false }),
      }),
    );
    throw refusal;
  }
}

/** Returns a failure that callers may read; null for an unexpected one. */
function refusalOf(error: unknown): AppError | null {
  if (error instanceof AppError) return error;
  if (!(error instanceof UpstreamError)) return null;
  const { reason, message } = error;
  if (reason === "not_fast_forward") {
    return new AppError(
      "forge_refused",
      "The branch of the request was deleted or has other commits on the forge, which are never overwritten; further commits are not pushed.",
    );
  }
  const isAway = ["unreachable", "timed_out", "busy", "interrupted", "broken"].includes(reason);
  return new AppError(isAway ? "forge_unreachable" : "forge_refused", message);
}

/** Pushes the newest commit of the attempt, by force only over the commit that arrived last. */
async function push(
  deps: PullRequestDeps,
  row: PullRequestRow,
  { import_url: url, head_commit: head }: queries.PushPlace,
): Promise<void> {
  const { org_id: orgId, project_id, id } = row;
  const isUnknown = row.pushing_sha !== row.pushed_sha;
  const wanted = [isUnknown ? row.pushing_sha : null, head].filter((sha) => sha !== null);
  let last = row.pushed_sha;
  const repoPath = deps.storage.repository(orgId, project_id);
  const access = await accessUpstream(deps, { org_id: orgId, project_id, url });
  for (const sha of new Set(wanted)) {
    if (sha === last) continue;
    await deps.db.tenant(orgId, (tx) =>
      queries.updatePullRequest(tx, id, { pushing_sha: sha }, false),
    );
    await pushOver(repoPath, url, { branch: row.head, commit: sha, expected: last }, access);
    last = sha;
    await deps.db.tenant(orgId, (tx) =>
      queries.updatePullRequest(tx, id, { pushed_sha: sha, error: null }),
    );
  }
}

/** Opens the request, unless an open one of its branch is there already. */
async function open(deps: PullRequestDeps, row: PullRequestRow): Promise<number> {
  const { repository, head, base, title, body, draft } = row;
  const number = await useForgeOf(
    deps,
    row,
    async (forge) =>
      (await forge.findPullRequest(repository, head)) ??
      (await forge.openPullRequest(repository, { head, base, title, body, draft })),
  );
  await deps.db.tenant(row.org_id, (tx) =>
    queries.updatePullRequest(tx, row.id, { number, state: draft ? "draft" : "open", error: null }),
  );
  return number;
}

/** Adds the labels and asks the reviewers that wait for it. */
async function decorate(deps: PullRequestDeps, row: PullRequestRow, number: number): Promise<void> {
  const { repository, labels, reviewers } = row;
  if (labels.length === 0 && reviewers.length === 0) return;
  await useForgeOf(deps, row, async (forge) => {
    if (labels.length > 0) await forge.addLabels(repository, number, labels);
    if (reviewers.length > 0) await forge.requestReviews(repository, number, reviewers);
  });
  await deps.db.tenant(row.org_id, (tx) =>
    queries.updatePullRequest(tx, row.id, { labels: [], reviewers: [] }, false),
  );
}

/**
 * Takes the state of a request from its forge. The caller holds the lock. Returns whether it has changed.
 * @param origin who has changed it, if this process has
 * @throws AppError 409; ForgeError
 */
export async function refresh(
  deps: PullRequestDeps,
  row: PullRequestRow,
  origin: Origin = systemOrigin,
): Promise<boolean> {
  const { number, repository } = row;
  if (number === null) return false;
  const remote = await useForgeOf(deps, row, (forge) => forge.readPullRequest(repository, number));
  return store(deps, row, remote, origin);
}

async function store(
  deps: PullRequestDeps,
  row: PullRequestRow,
  { opened: _opened, ...remote }: RemotePullRequest,
  origin: Origin,
): Promise<boolean> {
  const checked_at = new Date().toISOString();
  const { org_id: orgId, id } = row;
  const current = await deps.db.tenant(orgId, (tx) => queries.findRow(tx, id));
  if (!current) return false;
  const isChange = Object.entries(remote).some(
    ([field, value]) =>
      JSON.stringify(current[field as keyof typeof remote]) !== JSON.stringify(value),
  );
  if (!isChange && current.error === null) {
    await deps.db.tenant(orgId, (tx) => queries.updatePullRequest(tx, id, { checked_at }, false));
    return false;
  }
  const ends = remote.state !== current.state && !["open", "draft"].includes(remote.state);
  const changes = {
    ...remote,
    checked_at,
    // The error of a push stays until a push succeeds.
    ...(current.auto_update && { error: null }),
    ...(remote.state === "merged" && current.merged_at === null && { merged_at: checked_at }),
  };
  await deps.db.change(orgId, origin, async (tx, audit) => {
    await queries.updatePullRequest(tx, id, changes);
    if (!ends) return;
    const action = remote.state === "merged" ? "pull_request.merged" : "pull_request.closed";
    audit({ action, target: targetOf({ ...current, ...remote }) });
  });
  if (remote.state === "merged" && ends) {
    await fetchInBackground(deps, { org_id: orgId, project_id: row.project_id });
  }
  return isChange;
}

/** Whether an error is one of the forge or its rules, which the row shows, and no fault of the server. */
export function isRefusal(error: unknown): boolean {
  return error instanceof AppError || error instanceof ForgeError || error instanceof UpstreamError;
}
