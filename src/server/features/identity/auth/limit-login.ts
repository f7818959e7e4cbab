import { callerNetwork } from "#shared/node/networks.js";
import { countHit } from "../../../access/rate-limit.queries.js";
import { limitFailures, limitHits, removeHit } from "../../../access/rate-limit.js";
import type { Database } from "../../../db/connection/connect.js";
import { listAddresses } from "./browser-sessions/sessions.queries.js";

const loginLimit = { hits: 10, seconds: 15 * 60 };
const sprayLimit = { hits: 100, seconds: 15 * 60 };
/** Failures for one account from all networks, after which unknown networks are slowed down. */
const SLOWDOWN_LIMIT = { hits: 50, seconds: 15 * 60 };
const slowLimit = { hits: 10, seconds: 60 };

/**
 * Limits password attempts: ten failures for one account from one network (`callerNetwork`), and a
 * hundred from one network over all accounts. After distributed guessing, an account accepts ten
 * attempts a minute from networks its owner never signed in from. Networks the owner signed in from are
 * subject to the first limit only, because they may be shared.
 * @throws AppError 429
 */
export async function limitLogin<Result>(
  db: Database,
  email: string,
  ip: string,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const network = callerNetwork(ip);
  const addresses = await db.withSystem("read the addresses a user signed in from", (tx) =>
    listAddresses(tx, email),
  );
  const isKnown = addresses.some((address) => callerNetwork(address) === network);
  const fromHere = (): Promise<Result> =>
    limitFailures(db, `login ${network} ${email}`, loginLimit, attempt);
  if (isKnown) return fromHere();
  return limitFailures(db, `logins ${network}`, sprayLimit, () => throttle(db, email, fromHere));
}

async function throttle<Result>(
  db: Database,
  email: string,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const bucket = `login of ${email}`;
  const { hits } = await db.withSystem("count login attempts of an account", (tx) =>
    countHit(tx, bucket, SLOWDOWN_LIMIT.seconds),
  );
  if (hits > SLOWDOWN_LIMIT.hits) await limitHits(db, `slow ${bucket}`, slowLimit);
  const result = await attempt();
  await removeHit(db, bucket, SLOWDOWN_LIMIT);
  return result;
}
