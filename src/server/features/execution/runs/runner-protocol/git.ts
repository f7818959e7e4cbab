import type { Database } from "../../../../db/connection/connect.js";
import { rawRoutes, type RawRequest } from "../../../../http/raw-routes.js";
import type { Routes } from "../../../../http/register-routes.js";
import {
  advertiseFetch,
  fetchBodies,
  isFromGit,
  serveFetch,
  toGitError,
  type FetchedRepository,
} from "../../../code/git-http/index.js";
import { requireReadable } from "../on-runners/require-run.js";
import { branchRef, visibleBranches } from "../../../code/workspaces/index.js";
import { authenticateForRun } from "./authenticate-runner.js";
import { ofRun, type ProtocolDeps } from "./protocol-deps.js";

/** git's smart HTTP protocol, for fetching the branches that the agent of a run may read. */
export function fetchRoutes(deps: ProtocolDeps): Routes {
  return rawRoutes(
    [
      {
        method: "GET",
        path: ofRun("git/info/refs"),
        handle: async (request) => {
          return advertiseFetch(request, await resolveRunRepository(deps, request));
        },
      },
      {
        method: "POST",
        path: ofRun("git/git-upload-pack"),
        handle: async (request) => {
          return serveFetch(request, await resolveRunRepository(deps, request));
        },
      },
    ],
    {
      bodies: fetchBodies,
      toError: toGitError,
      wantsPlainErrors: isFromGit,
    },
  );
}

/** @throws AppError as `authenticateForRun`; 409 `run_ended`, `run_not_offered` */
async function resolveRunRepository(
  deps: ProtocolDeps,
  request: RawRequest,
): Promise<FetchedRepository> {
  const { runnerId, runId } = await authenticateForRun(deps, request, true);
  const run = await requireReadable(deps.db, runnerId, runId);
  return {
    orgId: run.org_id,
    repoPath: deps.storage.repository(run.org_id, run.project),
    visible: await readableRefs(deps.db, run.org_id, run.agent_id, run.project),
  };
}

async function readableRefs(
  db: Database,
  orgId: string,
  agentId: string,
  projectId: string,
): Promise<string[]> {
  const agent = { id: agentId, name: "" };
  const branches = await db.read(orgId, (tx) => visibleBranches(tx, { agent }, projectId));
  return Array.from(branches ?? [], branchRef);
}
