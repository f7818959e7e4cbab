import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { client } from "../../../../api/client.js";
import { api } from "../../../../api/api-calls.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { projectsKey, projectsQuery } from "../../../../api/queries/code/projects.js";
import { agentsKey, projectAgentsQuery } from "../../../../api/queries/work/agents.js";
import { TaskFields, taskOf, taskValues } from "./task-fields.js";

interface NewAgentDialogProps {
  isOpen: boolean;
  onClose: () => void;
  orgId: string;
  /** Preselected on a project's page. */
  projectId?: string | undefined;
}

export function NewAgentDialog({
  isOpen,
  onClose,
  orgId,
  projectId,
}: NewAgentDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title="New agent"
      description="An agent works on one project, in a workspace of its own."
    >
      <NewAgentForm onClose={onClose} orgId={orgId} projectId={projectId} />
    </Dialog>
  );
}

function NewAgentForm({
  onClose,
  orgId,
  projectId,
}: Omit<NewAgentDialogProps, "isOpen">): ReactElement {
  const projects = useQuery(projectsQuery(orgId));
  const first = projectId ?? projects.data?.[0]?.id ?? "";
  const form = useForm({
    endpoint: api.agents.create,
    saved: {
      project_id: first,
      name: "",
      description: "",
      parent_agent_id: "",
      ...taskValues(null),
    },
    toBody: (values) => ({
      project_id: values.project_id,
      name: values.name.trim(),
      description: values.description.trim() || null,
      parent_agent_id: values.parent_agent_id || null,
      task: taskOf(values),
    }),
    run: (body, headers) => client.agents.create({ body }, { headers }),
    fieldOf: { name_taken: "name" },
    refresh: [agentsKey, projectsKey, organizationsKey],
    successMessage: (agent) => `Agent ${agent.name} created`,
    onDone: onClose,
  });
  const project = form.values.project_id;
  const parents = useQuery({ ...projectAgentsQuery(project), enabled: project !== "" });

  return (
    <Form label="New agent" {...form.props}>
      <SelectField
        label="Project"
        {...form.field("project_id")}
        onChange={(next) => form.set({ project_id: next, parent_agent_id: "" })}
        options={(projects.data ?? []).map(({ id, name: label }) => ({
          value: id,
          label: visible(label),
        }))}
        hint={projects.data?.length === 0 ? "Create a project first, under Projects." : undefined}
      />
      <TextField
        label="Name"
        {...form.field("name")}
        placeholder="worker-1"
        hint="a-z, 0-9 and hyphens; unique in the organization. Its branch is named after it."
      />
      <TextArea label="Description" optional rows={2} {...form.field("description")} />
      <TaskFields form={form} />
      <SelectField
        label="Parent Agent"
        optional
        {...form.field("parent_agent_id")}
        options={[
          { value: "", label: "None" },
          ...(parents.data ?? []).map(({ id, name: label }) => ({
            value: id,
            label: visible(label),
          })),
        ]}
        hint="Its workspace starts at the parent's newest state."
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Create agent</SubmitButton>
      </DialogActions>
    </Form>
  );
}
