import { and, eq, gt, lt, or, sql } from "drizzle-orm";
import type { DeviceLoginRequest } from "#shared/api/identity/device-login.js";
import type { Queryable } from "../../../../db/connection/connect.js";
import { deviceLogins } from "../../../../db/tables/identity-tables.js";

const isOpen = gt(deviceLogins.expires_at, sql`now()`);

/** Stores a request. Returns false if one of its codes is in use. */
export async function insertRequest(
  tx: Queryable,
  request: Pick<
    typeof deviceLogins.$inferInsert,
    "id" | "device_code_hash" | "user_code_hash" | "client_name" | "ip" | "user_agent"
  >,
  { lifetime, interval }: { lifetime: number; interval: number },
): Promise<boolean> {
  const inserted = await tx
    .insert(deviceLogins)
    .values({
      ...request,
      expires_at: sql`now() + make_interval(secs => ${lifetime})`,
      poll_interval: interval,
    })
    .onConflictDoNothing()
    .returning({ id: deviceLogins.id });
  return inserted.length === 1;
}

export type FoundRequest = Omit<DeviceLoginRequest, "user_code">;

const requestColumns = {
  client_name: deviceLogins.client_name,
  ip: deviceLogins.ip,
  user_agent: deviceLogins.user_agent,
  created_at: deviceLogins.created_at,
  expires_at: deviceLogins.expires_at,
  status: deviceLogins.status,
};

/** Finds an open request that is pending, or that the user answered. */
export async function findRequest(
  tx: Queryable,
  userCodeHash: Buffer,
  userId: string,
): Promise<FoundRequest | undefined> {
  const isVisible = or(eq(deviceLogins.status, "pending"), eq(deviceLogins.user_id, userId));
  const [request] = await tx
    .select(requestColumns)
    .from(deviceLogins)
    .where(and(eq(deviceLogins.user_code_hash, userCodeHash), isOpen, isVisible));
  return request;
}

type RequestAnswer =
  | { status: "approved"; user_id: string; session_id: string; key_days: number }
  | { status: "denied"; user_id: string };

/** Answers a pending request. Of concurrent answers one gets the request. */
export async function answerRequest(
  tx: Queryable,
  userCodeHash: Buffer,
  answer: RequestAnswer,
): Promise<FoundRequest | undefined> {
  const isPending = eq(deviceLogins.status, "pending");
  const [answered] = await tx
    .update(deviceLogins)
    .set(answer)
    .where(and(eq(deviceLogins.user_code_hash, userCodeHash), isOpen, isPending))
    .returning(requestColumns);
  return answered;
}

/** A request as its program sees it. */
interface PolledRequest extends Record<string, unknown> {
  id: string;
  status: DeviceLoginRequest["status"];
  client_name: string | null;
  user_id: string | null;
  session_id: string | null;
  key_days: number | null;
  /** Whether the program did not wait for the interval. */
  is_early: boolean;
  /** The interval from now on. */
  poll_interval: number;
}

/**
 * Records a poll. An early one adds five seconds to the interval (RFC 8628, section 3.5); half a second is tolerated,
 * because requests take unequal times to arrive.
 */
export async function pollRequest(
  tx: Queryable,
  deviceCodeHash: Buffer,
): Promise<PolledRequest | undefined> {
  const { rows } = await tx.execute<PolledRequest>(sql`
    with polled as (
      select id, polled_at is not null
        and polled_at + make_interval(secs => poll_interval - 0.5) > clock_timestamp() as is_early
      from device_logins where device_code_hash = ${deviceCodeHash} and expires_at > now() for update
    )
    update device_logins d set polled_at = clock_timestamp(),
      poll_interval = least(d.poll_interval + case when is_early then 5 else 0 end, 900)
    from polled where d.id = polled.id
    returning d.id, status, client_name, user_id, session_id, key_days, is_early, poll_interval`);
  return rows[0];
}

interface Approver extends Record<string, unknown> {
  id: string;
  email: string;
  full_name: string | null;
}

/** Deletes an approved request and returns the person who approved it. Of concurrent calls one gets it. */
export async function takeApproved(tx: Queryable, id: string): Promise<Approver | undefined> {
  const { rows } = await tx.execute<Approver>(sql`
    delete from device_logins d using users u
    where d.id = ${id} and d.user_id = u.id and d.status = 'approved' and d.expires_at > now()
    returning u.id, u.email, u.full_name`);
  return rows[0];
}

export async function deleteExpiredRequests(tx: Queryable): Promise<void> {
  await tx.delete(deviceLogins).where(lt(deviceLogins.expires_at, sql`now()`));
}
