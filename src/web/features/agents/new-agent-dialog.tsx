import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextArea, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { visible } from "../../ui/plain-text.js";
import { SelectField } from "../../ui/select.js";
import { organizationsKey } from "../organizations/queries.js";
import { projectsKey, projectsQuery } from "../projects/queries.js";
import { agentsKey, projectAgentsQuery } from "./queries.js";

interface NewAgentDialogProps {
  isOpen: boolean;
  onClose: () => void;
  orgId: string;
  /** Chosen beforehand, on a project's own page. */
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
      title="New Agent"
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
  const [chosenProject, setProject] = useState(projectId);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [parentId, setParent] = useState("");
  const project = chosenProject ?? projects.data?.[0]?.id ?? "";
  const parents = useQuery({ ...projectAgentsQuery(project), enabled: project !== "" });

  const create = useAction({
    run: (body: Parameters<typeof client.agents.create>[0]["body"], headers) =>
      client.agents.create({ body: checked(api.agents.create, body) }, { headers }),
    refresh: [agentsKey, projectsKey, organizationsKey],
    say: (agent) => `Agent ${agent.name} created`,
    onDone: onClose,
  });
  const isTaken = create.error?.code === "name_taken";
  const errors = {
    project: create.error?.field("project_id"),
    name: create.error?.field("name") ?? (isTaken ? create.error?.message : undefined),
    description: create.error?.field("description"),
    parent: create.error?.field("parent_agent_id"),
  };
  const handleSubmit = (): void => {
    create.submit({
      project_id: project,
      name: name.trim(),
      description: description.trim() || null,
      parent_agent_id: parentId || null,
    });
  };

  return (
    <Form
      label="New Agent"
      onSubmit={handleSubmit}
      error={create.error}
      isShownAtField={Object.values(errors).some(Boolean)}
    >
      <SelectField
        label="Project"
        name="project_id"
        value={project}
        onChange={(next) => {
          setProject(next);
          setParent("");
        }}
        options={(projects.data ?? []).map(({ id, name: label }) => ({
          value: id,
          label: visible(label),
        }))}
        error={errors.project}
        hint={
          projects.data?.length === 0
            ? "There is no project yet. Create one first, under Projects."
            : undefined
        }
      />
      <TextField
        label="Name"
        name="name"
        value={name}
        onChange={setName}
        error={errors.name}
        placeholder="worker-1"
        hint="a-z, 0-9 and hyphens; unique in the organization. Its branch is named after it."
      />
      <TextArea
        label="Description"
        name="description"
        optional
        rows={2}
        value={description}
        onChange={setDescription}
        error={errors.description}
      />
      <SelectField
        label="Parent Agent"
        name="parent_agent_id"
        optional
        value={parentId}
        onChange={setParent}
        options={[
          { value: "", label: "None" },
          ...(parents.data ?? []).map(({ id, name: label }) => ({
            value: id,
            label: visible(label),
          })),
        ]}
        error={errors.parent}
        hint="Its workspace starts at the parent's newest state."
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" pending={create.pending}>
          Create Agent
        </Button>
      </DialogActions>
    </Form>
  );
}
