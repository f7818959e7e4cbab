/** Fair turns of organizations at the workers of a queue. The waiting jobs stay in the database. */
import { schema } from "../db/queue-schema.js";

/** Organizations whose last turn is remembered; others come first. */
const MAX_REMEMBERED = 1000;

/**
 * Takes the next job of the queue $1, whose organization is not one of $2. Organizations without a recent turn come
 * first, and then those in $3, in its order.
 */
const nextJob = `update ${schema}.job set state = 'active', started_on = now(),
    retry_count = case when started_on is not null then retry_count + 1 else retry_count end
  where name = $1 and id = (
    select id from ${schema}.job
    where name = $1 and state < 'active' and start_after < now()
      and coalesce(data ->> 'org_id', '') <> all($2::text[])
    order by array_position($3::text[], data ->> 'org_id') nulls first, priority desc, created_on, id
    limit 1 for update skip locked)
  returning id, name, data, extract(epoch from expire_in) as "expireInSeconds"`;

/** A job as pg-boss takes it from the database. */
interface FetchedJob {
  data: object;
}

/** The turns of organizations at one queue in this process. */
export class OrganizationTurns {
  readonly #queue: string;
  readonly #perOrganization: number;
  readonly #running = new Map<string, number>();
  /** Organizations by their last turn, the latest one last. */
  readonly #served = new Set<string>();
  /** The last fetch: each one has to know the organization of the one before it. */
  #fetching: Promise<unknown> = Promise.resolve();

  /** @param workers one of them is always left to other organizations, unless there is no other */
  constructor(queue: string, workers: number) {
    this.#queue = queue;
    this.#perOrganization = Math.max(1, workers - 1);
  }

  /** Takes the next job, and begins the turn of its organization. */
  fetch(
    execute: (text: string, values: unknown[]) => Promise<{ rows: unknown[] }>,
  ): Promise<unknown[]> {
    const fetched = this.#fetching.then(async () => {
      const busy = [...this.#running].filter(([, count]) => count >= this.#perOrganization);
      const values = [this.#queue, busy.map(([org]) => org), [...this.#served]];
      const { rows } = await execute(nextJob, values);
      for (const { data } of rows as FetchedJob[]) this.#begin(data);
      return rows;
    });
    this.#fetching = fetched.catch(() => undefined);
    return fetched;
  }

  #begin(data: object): void {
    const org = organizationOf(data);
    if (org === null) return;
    this.#running.set(org, (this.#running.get(org) ?? 0) + 1);
    this.#served.delete(org);
    this.#served.add(org);
    const [oldest] = this.#served;
    if (this.#served.size > MAX_REMEMBERED && oldest !== undefined) this.#served.delete(oldest);
  }

  /** Ends the turn of a job. */
  end(data: object): void {
    const org = organizationOf(data);
    if (org === null) return;
    const left = (this.#running.get(org) ?? 1) - 1;
    if (left > 0) this.#running.set(org, left);
    else this.#running.delete(org);
  }
}

const organizationOf = (data: object): string | null =>
  "org_id" in data ? String(data.org_id) : null;
