import { setTimeout as pause } from "node:timers/promises";
import type pg from "pg";
import { ConfigError } from "#shared/node/config-error.js";

const POLL_MS = 500;

interface LeasedNode {
  id: string;
  name: string;
  lease_until: string;
}

/**
 * Waits until no other server holds a lease. One that has stopped renews its lease no more.
 * @param ownNode the id of this server's node
 * @throws ConfigError when one of them is running
 */
export async function requireOthersStopped(
  owner: pg.ClientBase,
  ownNode: string | null,
): Promise<void> {
  const seen = new Map<string, string>();
  for (;;) {
    const leased = await listLeased(owner, ownNode);
    if (leased.length === 0) return;
    const running = leased.filter(({ id, lease_until }) => {
      const before = seen.get(id) ?? lease_until;
      seen.set(id, before);
      return before !== lease_until;
    });
    if (running.length > 0) throw isRunning(running.map(({ name }) => name));
    await pause(POLL_MS);
  }
}

async function listLeased(owner: pg.ClientBase, ownNode: string | null): Promise<LeasedNode[]> {
  const { rows } = await owner.query<{ has_nodes: boolean }>(
    "select to_regclass('public.nodes') is not null as has_nodes",
  );
  if (rows[0]?.has_nodes !== true) return [];
  const leased = await owner.query<LeasedNode>(
    `select id, name, lease_until::text from nodes
     where lease_until > clock_timestamp() and id is distinct from $1::uuid order by name`,
    [ownNode],
  );
  return leased.rows;
}

function isRunning(names: readonly string[]): ConfigError {
  const [they, use, them] =
    names.length === 1 ? ["server", "uses", "it"] : ["servers", "use", "them"];
  return new ConfigError(
    `This version changes the database, which the ${they} ${names.join(", ")} of another version ${use}; stop ${them}, then start this one`,
  );
}
