import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Project } from "#shared/api/projects/projects.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { client } from "../../api/client.js";
import { paths } from "../../paths/paths.js";
import { ActionRow, DangerZone } from "../../ui/danger-zone.js";
import { countOf } from "../../ui/number.js";
import { visible } from "../../ui/plain-text.js";
import { TypedConfirmation } from "../../ui/typed-confirmation.js";
import { agentsKey } from "../../api/queries/agents.js";
import { organizationsKey } from "../../api/queries/organizations.js";
import type { DenyReason } from "../../access/permissions.js";
import { beingDeleted, projectsKey } from "../../api/queries/projects.js";

interface ProjectDangerZoneProps {
  project: Project;
  refusal: DenyReason;
}

export function ProjectDangerZone({ project, refusal }: ProjectDangerZoneProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const navigate = useNavigate();
  const remove = useApiMutation({
    run: async (_: undefined, headers) => {
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
  });
  return (
    <DangerZone>
      <ActionRow
        title="Delete project"
        description="Removes the repository with every commit. It cannot be restored."
      >
        <TypedConfirmation
          label="Delete project"
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
          pending={remove.pending}
          error={remove.error}
          isOpen={isOpen}
          onOpenChange={setOpen}
          onConfirm={() => remove.submit(undefined)}
        />
      </ActionRow>
    </DangerZone>
  );
}
