import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { client } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { ActionRow, DangerZone } from "../../../ui/layout/danger-zone.js";
import { countOf } from "../../../ui/text/number.js";
import { visible } from "../../../ui/text/plain-text.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../api/queries/organization/organizations.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { beingDeleted, projectsKey } from "../../../api/queries/code/projects.js";
import type { ActionOptions } from "../../../api/use-mutation.js";
import { TypedConfirmButton } from "../../../components/confirmations.js";

interface ProjectDangerZoneProps {
  project: Project;
  refusal: DenyReason;
}

export function ProjectDangerZone({ project, refusal }: ProjectDangerZoneProps): ReactElement {
  const navigate = useNavigate();
  const mutation: ActionOptions<undefined, unknown> = {
    run: async (_input, headers) => {
      beingDeleted.add(project.id);
      try {
        return await client.projects.delete({ params: { project_id: project.id } }, { headers });
      } catch (error) {
        beingDeleted.delete(project.id);
        throw error;
      }
    },
    refresh: [[...projectsKey, "list"], agentsKey, organizationsKey],
    successMessage: () => `${visible(project.name)} is deleted`,
    onDone: () => void navigate(paths.projects()),
  };
  return (
    <DangerZone>
      <ActionRow
        title="Delete project"
        description="Removes the repository with every commit. It cannot be restored."
      >
        <TypedConfirmButton
          label="Delete project"
          mutation={mutation}
          title={`Delete ${visible(project.name)}?`}
          reason={refusal("project:delete")}
          consequences={[
            `Its repository is removed: every branch and commit, and ${countOf(project.counts.workspaces, "workspace")} with what is unsaved there.`,
            `${countOf(project.counts.agents, "agent")} of it ${project.counts.agents === 1 ? "is" : "are"} terminated. None may be at work.`,
            "Its runs still count in the usage and on past statements.",
            "To keep the commits, clone it first.",
          ]}
          word={project.slug}
          wordName="slug"
          verb="Delete"
        />
      </ActionRow>
    </DangerZone>
  );
}
