import { callerNetwork } from "#shared/node/networks.js";
import { countHit } from "../../access/rate-limit.queries.js";
import { limitFailures, limitHits, takeOff } from "../../access/rate-limit.js";
import type { Database } from "../../db/connection/connect.js";
import { listAddresses } from "./sessions/sessions.queries.js";

const loginLimit = { hits: 10, seconds: 15 * 60 };
const sprayLimit = { hits: 100, seconds: 15 * 60 };
/** So many wrong passwords for one account, from wherever, slow down those who were never signed in to it. */
const slowAfter = { hits: 50, seconds: 15 * 60 };
const slowLimit = { hits: 10, seconds: 60 };

/**
 * Checks a password only so often: ten failures for one account from one network (`callerNetwork`), and
 * a hundred from one network over all accounts. An account that is guessed at from many networks takes
 * ten passwords a minute from those where its owner was never signed in. Networks where the owner was
 * signed in are held to the first limit alone: many people may share one.
 * @throws AppError 429
 */
export async function limitLogin<Result>(
  db: Database,
  email: string,
  ip: string,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const network = callerNetwork(ip);
  const addresses = await db.withSystem("see where a person was signed in", (tx) =>
    listAddresses(tx, email),
  );
  const isKnown = addresses.some((address) => callerNetwork(address) === network);
  const fromHere = (): Promise<Result> =>
    limitFailures(db, `login ${network} ${email}`, loginLimit, attempt);
  if (isKnown) return fromHere();
  return limitFailures(db, `logins ${network}`, sprayLimit, () => slowDown(db, email, fromHere));
}

async function slowDown<Result>(
  db: Database,
  email: string,
  attempt: () => Promise<Result>,
): Promise<Result> {
  const bucket = `login of ${email}`;
  const { hits } = await db.withSystem("count the logins of an account", (tx) =>
    countHit(tx, bucket, slowAfter.seconds),
  );
  if (hits > slowAfter.hits) await limitHits(db, `slow ${bucket}`, slowLimit);
  const result = await attempt();
  await takeOff(db, bucket, slowAfter);
  return result;
}
