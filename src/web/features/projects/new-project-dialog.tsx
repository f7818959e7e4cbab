import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { slugFrom } from "#shared/api/fields.js";
import { api } from "#shared/api/index.js";
import { useAction } from "../../action.js";
import { checked, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextArea, TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { RadioList } from "../../ui/radio.js";
import { slugErrorOf, SuggestedSlug } from "../organizations/suggested-slug.js";
import { organizationsKey } from "../organizations/queries.js";
import { projectsKey } from "./queries.js";

interface NewProjectDialogProps {
  isOpen: boolean;
  onClose: () => void;
  orgId: string;
}

export function NewProjectDialog({ isOpen, onClose, orgId }: NewProjectDialogProps): ReactElement {
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title="New Project"
      description="A git repository that agents work on."
    >
      <NewProjectForm orgId={orgId} onClose={onClose} />
    </Dialog>
  );
}

function NewProjectForm({ orgId, onClose }: { orgId: string; onClose: () => void }): ReactElement {
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [editedSlug, setSlug] = useState<string | null>(null);
  const [description, setDescription] = useState("");
  const [start, setStart] = useState<"empty" | "import">("empty");
  const [importUrl, setImportUrl] = useState("");
  const slug = editedSlug ?? slugFrom(name);

  const create = useAction({
    run: (body: Parameters<typeof client.projects.create>[0]["body"], headers) =>
      client.projects.create({ body: checked(api.projects.create, body) }, { headers }),
    refresh: [projectsKey, organizationsKey],
    say: ({ status }) => (status === "importing" ? "Import started" : "Project created"),
    onDone: (project) => {
      onClose();
      if (project.status === "ready") void navigate(paths.project(project.id));
    },
  });
  const errors = {
    name: create.error?.field("name"),
    slug: slugErrorOf(create.error),
    description: create.error?.field("description"),
    importUrl: create.error?.field("import_url"),
  };
  const handleSubmit = (): void => {
    create.submit({
      organization_id: orgId,
      name,
      ...(slug === "" ? {} : { slug }),
      description: description.trim() || null,
      ...(start === "import" ? { import_url: importUrl.trim() } : {}),
    });
  };

  return (
    <Form
      label="New Project"
      onSubmit={handleSubmit}
      error={create.error}
      isShownAtField={Object.values(errors).some(Boolean)}
    >
      <TextField label="Name" name="name" value={name} onChange={setName} error={errors.name} />
      <TextField
        label="Slug"
        name="slug"
        value={slug}
        onChange={setSlug}
        error={errors.slug}
        className="font-mono text-[13px]"
        hint={
          <SuggestedSlug suggestion={create.error?.problem.suggestion} onTake={setSlug}>
            The last part of the address git clones from.
          </SuggestedSlug>
        }
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
      <RadioList
        legend="Contents"
        value={start}
        onChange={setStart}
        options={[
          {
            value: "empty",
            label: "Start empty",
            hint: "One empty commit, for agents to build on.",
          },
          {
            value: "import",
            label: "Import from a repository",
            hint: "Brings in all branches in the background.",
            children: (
              <TextField
                label="Repository URL"
                name="import_url"
                type="url"
                placeholder="https://github.com/acme/app.git"
                value={importUrl}
                onChange={setImportUrl}
                error={errors.importUrl}
              />
            ),
          },
        ]}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" pending={create.pending}>
          Create Project
        </Button>
      </DialogActions>
    </Form>
  );
}
