import type { FastifyInstance } from "fastify";
import type { Database } from "../../db/connect.js";
import { gitVersion } from "../../git/run.js";
import type { FolderKind } from "../../git/folder.js";
import type { SandboxReport } from "../../sandbox/sandbox.js";

/**
 * `/healthz`: the process answers. `/readyz`: the database and git do, too; and what commands of agents
 * are held to here and how their folders are made, without which everything else is ready all the same.
 */
export function mountHealth(
  app: FastifyInstance,
  db: Database,
  machine: { sandbox: SandboxReport; folder_driver: FolderKind },
): void {
  app.get("/healthz", async () => ({ status: "ok" }));
  app.get("/readyz", async (_request, reply) => {
    const [database, git] = await Promise.all([
      answers(() => db.systemPool.query("select 1")),
      answers(gitVersion),
    ]);
    const ready = database && git;
    return reply
      .code(ready ? 200 : 503)
      .send({ status: ready ? "ready" : "not ready", database, git, ...machine });
  });
}

async function answers(probe: () => Promise<unknown>): Promise<boolean> {
  const patience = new Promise<false>((resolve) => {
    setTimeout(() => resolve(false), 3000).unref();
  });
  return Promise.race([
    probe().then(
      () => true,
      () => false,
    ),
    patience,
  ]);
}
