/** Reads what has changed in a repository since it was read last, and makes deliveries of it. */
import { newId } from "../../../../../db/tables/columns.js";
import { hookUrl, openWebhookSecret } from "../../webhook-secret.js";
import { ForgeError } from "../../forge.js";
import { MAX_ISSUES, type RemoteIssue } from "../../forge-discussion.js";
import { insertDeliveries } from "../deliveries.queries.js";
import { nothingSeen } from "../seen/changes.js";
import { insertSeen } from "../seen/seen.queries.js";
import type { WorkDeps } from "../work-deps.js";
import { RECONCILE_SECONDS } from "./poll-intervals.js";
import * as queries from "./repositories.queries.js";
import type { DueRepository } from "./repositories.queries.js";

/** Rounds of `MAX_ISSUES` that are read when a project is linked. */
const MAX_ROUNDS = 20;

/** Returns whether anything has changed. @throws ForgeError */
export async function readRepository(deps: WorkDeps, due: DueRepository): Promise<boolean> {
  if (due.first_issues === null) {
    await recordIssues(deps, due);
    return false;
  }
  const isChanged = await readIssues(deps, due);
  await reconcileRequests(deps, due);
  return isChanged;
}

/** Records the issues that are there when a project is linked: their history starts nothing. */
async function recordIssues({ db, clients }: WorkDeps, due: DueRepository): Promise<void> {
  const { org_id, project_id, forge_id, name } = due;
  let since: string | null = null;
  let highest = 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const from: string | null = since;
    const issues: RemoteIssue[] = await clients.use(org_id, forge_id, (forge) =>
      forge.listIssues(name, from),
    );
    await db.tenant(org_id, (tx) =>
      insertSeen(
        tx,
        issues.map(({ number, labels, assignees, updated_at: changed_at }) => ({
          org_id,
          project_id,
          kind: "issue" as const,
          number,
          state: { ...nothingSeen, labels, assignees, changed_at },
        })),
      ),
    );
    highest = Math.max(highest, ...issues.map(({ number }) => number));
    const last: string | null = issues.at(-1)?.updated_at ?? since;
    if (issues.length < MAX_ISSUES || last === since) {
      since = last;
      break;
    }
    since = last;
  }
  await db.tenant(org_id, (tx) =>
    queries.updateRepository(tx, project_id, { first_issues: highest, issues_until: since }),
  );
}

async function readIssues({ db, clients }: WorkDeps, due: DueRepository): Promise<boolean> {
  const { org_id, project_id, forge_id, name, issues_until } = due;
  const issues = await clients.use(org_id, forge_id, (forge) =>
    forge.listIssues(name, issues_until),
  );
  const last = issues.at(-1);
  if (!last) return false;
  return db.tenant(org_id, async (tx) => {
    const seen = await queries.changesSeen(
      tx,
      project_id,
      issues.map(({ number }) => number),
    );
    const changed = issues.filter(({ number, updated_at }) => seen.get(number) !== updated_at);
    if (changed.length > 0) {
      await insertDeliveries(
        tx,
        changed.map(({ number, updated_at }) => ({
          ...polled(due, "issue", number, updated_at),
          subject: { kind: "issue" as const, number },
        })),
      );
    }
    await queries.updateRepository(tx, project_id, { issues_until: last.updated_at });
    return changed.length > 0;
  });
}

/** Has the open pull requests read again, in case an event was missed: once in each interval. */
async function reconcileRequests({ db }: WorkDeps, due: DueRepository): Promise<void> {
  const { org_id, project_id } = due;
  const slot = Math.floor(Date.now() / (RECONCILE_SECONDS * 1000));
  await db.tenant(org_id, async (tx) => {
    const numbers = await queries.listOpenRequests(tx, project_id);
    if (numbers.length === 0) return;
    await insertDeliveries(
      tx,
      numbers.map((number) => ({
        ...polled(due, "pull_request", number, String(slot)),
        subject: { kind: "pull_request" as const, number },
      })),
    );
  });
}

/** A delivery of what polling has found. Its id is the same for the same state. */
export function polled(
  {
    org_id,
    project_id,
    forge_id,
    name,
  }: Pick<DueRepository, "org_id" | "project_id" | "forge_id" | "name">,
  kind: "issue" | "pull_request",
  number: number,
  version: string,
) {
  return {
    id: newId(),
    org_id,
    forge_id,
    project_id,
    delivery_id: `poll ${name} ${kind} ${number} ${version}`,
    source: "polling" as const,
    event: kind,
    repository: name,
    number,
    login: null,
    status: "pending" as const,
  };
}

/**
 * Registers the hook of a repository, or removes it after a change to polling. A refusal is kept, and shown with what a
 * person has to do.
 */
export async function keepHook(deps: WorkDeps, due: DueRepository): Promise<void> {
  const { db, clients, secret, publicUrl } = deps;
  const { org_id, project_id, forge_id, auth, delivery, name, hook_id, hook_error } = due;
  const set = (changes: Parameters<typeof queries.updateRepository>[2]): Promise<void> =>
    db.tenant(org_id, (tx) => queries.updateRepository(tx, project_id, changes));
  if (delivery === "polling") {
    if (hook_id === null) return;
    await clients.use(org_id, forge_id, (forge) => forge.removeHook(name, hook_id)).catch(refused);
    await set({ hook_id: null, hook_error: null });
    return;
  }
  // An App has one hook for all of its repositories.
  if (auth === "app" || hook_id !== null || hook_error !== null) return;
  const own = openWebhookSecret(secret, { ...due, id: forge_id });
  if (own === null) {
    await set({ hook_error: "The connection has no secret for hooks; replace it." });
    return;
  }
  const url = hookUrl(publicUrl(), forge_id);
  try {
    const id = await clients.use(org_id, forge_id, (forge) =>
      forge.registerHook(name, { url, secret: own }),
    );
    await set({ hook_id: id, hook_error: null });
  } catch (error) {
    await set({ hook_error: refused(error) });
  }
}

/** Returns the forge's reason of a refusal. @throws ForgeError for a forge that is not to be reached */
function refused(error: unknown): string {
  const isRefusal =
    error instanceof ForgeError && (error.failure === "refused" || error.failure === "not_found");
  if (!isRefusal) throw error;
  return error.message;
}
