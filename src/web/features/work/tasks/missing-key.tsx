import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { useCurrentOrganization } from "../../../access/current-organization.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { presetsQuery } from "../../../api/queries/execution/runs.js";
import { Dialog } from "../../../ui/overlays/dialog.js";
import { MissingKeyFields } from "../parts/tasks/missing-key-fields.js";

interface MissingKeyProps {
  task: Task;
  attempt: Attempt;
  /** Name of the secret that is missing. */
  secret: string;
  onClose: () => void;
  /** Called once the key is stored. */
  onSaved: () => void;
}

/** Asks for the model key without which an attempt cannot start again, as the dialog for a new task does. */
export function MissingKey({
  task,
  attempt,
  secret,
  onClose,
  onSaved,
}: MissingKeyProps): ReactElement | null {
  const { organizations } = useCurrentOrganization();
  const organization = organizations.find(({ id }) => id === task.organization_id);
  const { data: project } = useQuery(projectQuery(task.project_id));
  const { data: presets } = useQuery(presetsQuery);
  const preset = presets?.find(({ name }) => name === attempt.preset);
  if (organization === undefined || project === undefined || preset === undefined) return null;
  return (
    <Dialog isOpen onClose={onClose} title="Model key missing" width="wide">
      <MissingKeyFields
        organization={organization}
        project={project}
        preset={preset}
        secret={secret}
        onSaved={onSaved}
      />
    </Dialog>
  );
}
