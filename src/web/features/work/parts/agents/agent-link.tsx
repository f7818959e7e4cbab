import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../../../paths/paths.js";
import { agentQuery } from "../../../../api/queries/work/agents.js";

/** Links to an agent by name; shows its id until the name has loaded, or if the viewer may not see it. */
export function AgentLink({ agentId }: { agentId: string }): ReactElement {
  const { data: agent } = useQuery(agentQuery(agentId));
  return (
    <Link {...paths.workspace(agentId)} className="text-accent-ink hover:underline">
      {agent?.name ?? agentId}
    </Link>
  );
}
