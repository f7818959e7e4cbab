/** Who may act by an event: a linked user with the permission here and write access there, both at this moment. */
import { allows } from "../../../../access/access.js";
import { readAccess } from "../../../../access/current-access.js";
import type { Database } from "../../../../db/connection/connect.js";
import { AppError } from "../../../../errors.js";
import { ForgeError, type Forge } from "../forge.js";
import type { RemotePerson } from "../forge-discussion.js";
import { findPersonOfLogin } from "../people/people.queries.js";
import type { ForgeClients } from "../use-forge.js";
import type { Place } from "./place.queries.js";

export interface EventDeps {
  db: Database;
  clients: ForgeClients;
}

export type Judgment =
  | { allowed: true; userId: string }
  /** `isUnlinked`: the login could act if it were linked to a user here. */
  | { allowed: false; reason: string; isUnlinked: boolean };

const denied = (reason: string, isUnlinked = false): Judgment => ({
  allowed: false,
  reason,
  isUnlinked,
});

/** Judges who acts by an event. @throws ForgeError */
export async function whoMay(
  { db, clients }: EventDeps,
  place: Place,
  person: RemotePerson | null,
): Promise<Judgment> {
  if (person === null || person.login === "") return denied("The forge does not say who did it.");
  const { login } = person;
  if (person.is_bot) return denied("Programs never act.");
  const writes = await clients.use(place.org_id, place.forge_id, (forge) =>
    canWrite(forge, place.repository, login),
  );
  if (!writes) return denied(`${login} has no write access to ${place.repository}.`);
  const userId = await db.tenant(place.org_id, (tx) =>
    findPersonOfLogin(tx, place.forge_id, login),
  );
  if (userId === null) return denied(`${login} is not linked to a person here.`, true);
  const actor = { userId, agent: null, session: null, key: null };
  const access = await db
    .tenant(place.org_id, (tx) => readAccess(tx, actor, place.org_id))
    .catch((error: unknown) => {
      if (error instanceof AppError) return null;
      throw error;
    });
  if (access === null) return denied(`${login} is linked to a person who is no member.`);
  if (access.archived) return denied("The organization is archived.");
  if (!allows(access, "project:task:write")) {
    return denied(`${login} is linked to a person who may not change tasks.`);
  }
  return { allowed: true, userId };
}

/** A login that the forge does not know may not write. */
async function canWrite(forge: Forge, repository: string, login: string): Promise<boolean> {
  try {
    return await forge.canWrite(repository, login);
  } catch (error) {
    if (error instanceof ForgeError && error.failure === "not_found") return false;
    throw error;
  }
}
