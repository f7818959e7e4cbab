import type { Database, Queryable } from "../../db/connect.js";
import { AppError } from "../../errors.js";
import { callerNetwork } from "../../http/network.js";
import * as limitRepository from "./limit-repository.js";
import * as sessionRepository from "./session-repository.js";

export interface Limit {
  hits: number;
  seconds: number;
}

/** Counts a hit. @throws AppError 429 */
export async function limitHits(db: Database, bucket: string, limit: Limit): Promise<void> {
  await db.withSystem("count hits", (tx) => limitHitsWithin(tx, bucket, limit));
}

/** Counts a hit in the transaction at hand, with which it is taken back. @throws AppError 429 */
export async function limitHitsWithin(tx: Queryable, bucket: string, limit: Limit): Promise<void> {
  const { hits, reset } = await limitRepository.countHit(tx, bucket, limit.seconds);
  if (hits > limit.hits) throw tooMany(limit, reset);
}

/**
 * Tries something that may fail only so often. It is counted before it is known to fail, so that many
 * tries at once are no way around the limit; a success is taken off again.
 * @throws AppError 429
 */
export async function limitFailures<Result>(
  db: Database,
  bucket: string,
  limit: Limit,
  attempt: () => Promise<Result>,
): Promise<Result> {
  await limitHits(db, bucket, limit);
  const result = await attempt();
  await takeOff(db, bucket, limit);
  return result;
}

function takeOff(db: Database, bucket: string, { seconds }: Limit): Promise<void> {
  return db.withSystem("take a success off the count", (tx) =>
    limitRepository.uncountHit(tx, bucket, seconds),
  );
}

export function tooMany(limit: Limit, reset: number): AppError {
  return new AppError("rate_limited", `Too many tries; wait ${Math.ceil(reset / 60)} minutes.`, {
    headers: {
      "retry-after": String(reset),
      ratelimit: `"default";r=0;t=${reset}`,
      "ratelimit-policy": `"default";q=${limit.hits};w=${limit.seconds}`,
    },
  });
}

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
    sessionRepository.listAddresses(tx, email),
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
    limitRepository.countHit(tx, bucket, slowAfter.seconds),
  );
  if (hits > slowAfter.hits) await limitHits(db, `slow ${bucket}`, slowLimit);
  const result = await attempt();
  await takeOff(db, bucket, slowAfter);
  return result;
}
