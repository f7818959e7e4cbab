import type { NewRunner, Runner, RunnerChanges } from "#shared/api/execution/runners.js";
import type { InstallationAction } from "#shared/organization/installation-audit.js";
import { diffFields } from "../../../db/audit/audit.js";
import {
  recordInstallationEvent,
  type InstallationChange,
} from "../../../db/audit/installation-audit.js";
import { violatedConstraint } from "../../../db/connection/connect.js";
import type { Queryable } from "../../../db/queryable.js";
import { newId } from "../../../db/tables/columns.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { AdminContext } from "../../identity/people/index.js";
import * as queries from "./runners.queries.js";
import { createHmac } from "node:crypto";
import { generateKey } from "#shared/node/key-text.js";
import { runnerTokenPrefix } from "#shared/execution/runner/protocol.js";

type RunnerContext = Pick<AdminContext, "origin" | "change">;

const targetOf = ({ id, name }: Pick<Runner, "id" | "name">) =>
  ({ type: "runner", id, name }) as const;

/** @throws AppError 404 */
export async function readRunner(tx: Queryable, by: queries.RunnerReference): Promise<Runner> {
  const runner = await queries.findRunner(tx, by);
  if (!runner) throw notFound();
  return runner;
}

/**
 * Returns the id of an organization.
 * @throws AppError 404
 */
export async function readOrganizationId(tx: Queryable, slug: string): Promise<string> {
  const id = await queries.findOrganization(tx, { slug });
  if (id === undefined) throw notFound();
  return id;
}

/**
 * Registers a runner. Only this response contains its token.
 * @throws AppError 409 `runner_name_taken`; 422 for an unknown organization
 */
export async function createRunner(
  context: RunnerContext & Pick<AdminContext, "verificationKey">,
  { name, organization_id = null }: NewRunner,
): Promise<Runner & { token: string }> {
  const token = generateRunnerToken();
  const id = newId();
  const { actor } = context.origin;
  const created = await change(context, name, async (tx, record) => {
    if (
      organization_id !== null &&
      (await queries.findOrganization(tx, { id: organization_id })) === undefined
    ) {
      throw invalidField("organization_id", "no organization has this id");
    }
    await queries.insertRunner(tx, {
      id,
      name,
      org_id: organization_id,
      token_hash: hashRunnerToken(context.verificationKey, token),
      created_by: "userId" in actor ? actor.userId : null,
    });
    const runner = await readRunner(tx, { id });
    const changes = diffFields(null, runner, ["organization_id"]);
    await record({ action: "runner.registered", target: targetOf(runner), changes });
    return runner;
  });
  return { ...created, token };
}

/**
 * Renames, pauses or resumes a runner. A paused runner loses the runs that it was offered and has not started.
 * @throws AppError 404; 409 `runner_name_taken`; 422 for another name of the cluster
 */
export function updateRunner(
  context: RunnerContext,
  by: queries.RunnerReference,
  given: RunnerChanges,
): Promise<Runner> {
  return change(context, given.name ?? "", async (tx, record) => {
    const before = await queries.lockRunner(tx, by);
    if (!before) throw notFound();
    const { id } = before;
    const { name = before.name, paused = before.paused } = given;
    if (before.kind === "cluster" && name !== before.name) {
      throw invalidField("name", "is fixed: the cluster cannot be renamed");
    }
    if (name === before.name && paused === before.paused) return before;
    await queries.updateRunner(tx, { id, name, paused });
    if (paused) await queries.releaseOffers(tx, id);
    const after = await readRunner(tx, { id });
    const switched: InstallationAction = paused ? "runner.paused" : "runner.resumed";
    for (const [field, action] of [
      ["name", "runner.renamed"] as const,
      ["paused", switched] as const,
    ]) {
      const changes = diffFields(before, after, [field]);
      if (Object.keys(changes).length === 0) continue;
      await record({ action, target: targetOf(after), changes });
    }
    return after;
  });
}

/**
 * Removes a runner. Its token ends, its runs end as `lost`, and the runs that it was offered are offered to others.
 * @throws AppError 404; 409 `cluster_online`
 */
export async function deleteRunner(
  context: RunnerContext,
  by: queries.RunnerReference,
): Promise<Runner> {
  return change(context, "", async (tx, record) => {
    const runner = await queries.lockRunner(tx, by);
    if (!runner) throw notFound();
    if (runner.kind === "cluster" && runner.status !== "offline") {
      // Its server would add it again.
      throw new AppError(
        "cluster_online",
        "A server uses the cluster; take OMOI_KUBERNETES_NAMESPACE out of the settings of all servers, and remove it a minute later.",
      );
    }
    await queries.endRunsOfRunner(tx, runner.id, `Its runner ${runner.name} was removed.`);
    await queries.releaseOffers(tx, runner.id);
    await queries.deleteRunner(tx, runner.id);
    await record({ action: "runner.removed", target: targetOf(runner), changes: {} });
    return runner;
  });
}

/** @param name that the runner gets, for the error */
async function change<Result>(
  context: RunnerContext,
  name: string,
  work: (tx: Queryable, record: (event: InstallationChange) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  try {
    return await context.change((tx) =>
      work(tx, (event) => recordInstallationEvent(tx, context.origin, event)),
    );
  } catch (error) {
    if (violatedConstraint(error) !== "runners_name_key") throw error;
    throw new AppError(
      "runner_name_taken",
      `A runner "${name}" is registered; choose another name.`,
      {
        errors: [
          {
            loc: ["body", "name"],
            msg: "is taken in this installation",
            type: "runner_name_taken",
          },
        ],
      },
    );
  }
}

/** Generates a token with about 178 bits of entropy and a checksum, in the format of API keys. */
export function generateRunnerToken(): string {
  return generateKey(runnerTokenPrefix);
}

/** Returns the stored form of a token: its HMAC-SHA-256 under the installation's verification key. */
export function hashRunnerToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi runner token\n").update(token).digest();
}
