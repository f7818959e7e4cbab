import { useQuery } from "@tanstack/react-query";
import type { Agent } from "#shared/api/work/agents.js";
import type { User } from "#shared/api/identity/auth.js";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { agentsQuery, hasBranch } from "../../../api/queries/work/agents.js";
import { apiKeysQuery } from "../../../api/queries/identity/api-keys.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { useCurrentOrganization } from "../../../access/current-organization.js";
import { projectsQuery } from "../../../api/queries/code/projects.js";
import { workspaceQuery } from "../../../api/queries/code/workspaces.js";
import { isOpponent, type Opponents, opponentSides, opponentsOf } from "./opponents.js";

export const steps = [
  "organization",
  "project",
  "agent",
  "commit",
  "merge",
  "conflict",
  "key",
] as const;
export type Step = (typeof steps)[number];

/** User attribute with the skipped steps. */
const attribute = "getting_started";

export interface Progress {
  /** Existing resources, whether or not the guide created them. */
  organization: OrganizationItem | undefined;
  project: Project | undefined;
  agent: Agent | undefined;
  workspace: Workspace | undefined;
  /** The agents that show a conflict, of the same project. */
  opponents: Opponents;
  done: ReadonlySet<Step>;
  skipped: ReadonlySet<Step>;
  /** The next step; undefined if all are done. */
  current: Step | undefined;
}

/**
 * Returns the setup progress, derived from existing resources, so that users resume after an
 * interruption.
 */
export function useProgress(): Progress {
  const me = useQuery(meQuery);
  const { organization } = useCurrentOrganization();
  const orgId = organization?.id ?? "";
  const enabled = orgId !== "";
  const projects = useQuery({ ...projectsQuery(orgId), enabled });
  const agents = useQuery({ ...agentsQuery({ organization_id: orgId }), enabled });
  const { data: keys } = useLoaded(apiKeysQuery);
  const own = agents.data?.filter((agent) => !isOpponent(agent));
  const agent = own?.find(hasBranch) ?? own?.[0];
  const hasWorkspace = agent !== undefined && hasBranch(agent);
  const workspace = useQuery({ ...workspaceQuery(agent?.id ?? ""), enabled: hasWorkspace });
  const project =
    projects.data?.find(({ id }) => id === agent?.project_id) ??
    projects.data?.find(({ status }) => status === "ready") ??
    projects.data?.[0];

  const opponents = opponentsOf(agents.data ?? [], project?.id);
  const hasMerged = projects.data?.some(({ counts }) => counts.merges > 0) ?? false;
  const facts: Record<Step, boolean> = {
    organization: enabled,
    project: project?.status === "ready",
    agent: hasWorkspace,
    commit: hasMerged || (workspace.data?.counts.commits ?? 0) > 0,
    merge: hasMerged,
    // Their runs may still be at work: the step itself tells.
    conflict: opponentSides.every((side) => opponents[side]?.last_run?.status === "succeeded"),
    key: keys.length > 0,
  };
  const done = new Set(steps.filter((step) => facts[step]));
  const skipped = new Set(skippedOf(me.data).filter((step) => !done.has(step)));
  return {
    organization,
    project,
    agent,
    workspace: workspace.data,
    opponents,
    done,
    skipped,
    current: steps.find((step) => !done.has(step) && !skipped.has(step)),
  };
}

function skippedOf(user: User | undefined): Step[] {
  const kept = user?.attributes[attribute];
  const names: readonly unknown[] = Array.isArray(kept) ? kept : [];
  return steps.filter((step) => names.includes(step));
}

/** Skips steps, or reopens them; stored in the user's account. */
export function useSkipSteps(): { skip: (steps: readonly Step[]) => void; pending: boolean } {
  const me = useQuery(meQuery);
  const save = useApiMutation({
    run: (skipped: readonly Step[]) =>
      client.auth.updateMe({
        body: { attributes: { ...me.data?.attributes, [attribute]: [...skipped] } },
      }),
    refresh: [meQuery.queryKey],
    toastErrors: true,
  });
  return { skip: save.submit, pending: save.pending };
}
