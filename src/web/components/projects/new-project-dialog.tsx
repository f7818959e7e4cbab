import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/projects/projects.js";
import { slugFrom } from "#shared/slug-from.js";
import { client } from "../../api/client.js";
import { api } from "../../api/api-calls.js";
import { useForm } from "../../forms/use-form.js";
import { paths } from "../../paths/paths.js";
import { Button } from "../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../ui/overlays/dialog.js";
import { TextArea, TextField } from "../../ui/fields/field.js";
import { Form, SubmitButton } from "../../ui/fields/form.js";
import { RadioList } from "../../ui/fields/radio.js";
import { slugCodes, SuggestedSlug } from "../organizations/suggested-slug.js";
import { organizationsKey } from "../../api/queries/organization/organizations.js";
import {
  blankCredential,
  CredentialFields,
  credentialOf,
  isSsh,
  type CredentialValues,
} from "./credential-fields.js";
import { projectsKey } from "../../api/queries/projects/projects.js";

interface NewProjectDialogProps {
  isOpen: boolean;
  onClose: () => void;
  orgId: string;
}

export function NewProjectDialog({ isOpen, onClose, orgId }: NewProjectDialogProps): ReactElement {
  const navigate = useNavigate();
  return (
    <Dialog
      isOpen={isOpen}
      onClose={onClose}
      title="New project"
      description="A git repository that agents work on."
    >
      <NewProjectForm
        orgId={orgId}
        onCancel={onClose}
        onCreated={(project) => {
          // Replaces the dialog's history entry, so that Back leads to the list.
          if (project.status !== "importing")
            void navigate({ ...paths.project(project.id), replace: true });
          else onClose();
        }}
      />
    </Dialog>
  );
}

interface Values {
  name: string;
  /** Empty: derived from the name. */
  slug: string;
  description: string;
  contents: "empty" | "import";
  import_url: string;
  access: "public" | "private";
  credential: CredentialValues;
}

const blank: Values = {
  name: "",
  slug: "",
  description: "",
  contents: "empty",
  import_url: "",
  access: "public",
  credential: blankCredential,
};

/** Returns the import source and its credential. */
function sourceOf({ import_url, access, credential }: Values) {
  const url = import_url.trim();
  return isSsh(url) || access === "private"
    ? { import_url: url, credential: credentialOf(url, credential) }
    : { import_url: url };
}

interface NewProjectFormProps {
  orgId: string;
  /** The name to start with; empty by default. */
  name?: string;
  /** Present if the form is in a dialog. */
  onCancel?: () => void;
  onCreated: (project: Project) => void;
}

export function NewProjectForm({
  orgId,
  name = "",
  onCancel,
  onCreated,
}: NewProjectFormProps): ReactElement {
  const form = useForm({
    endpoint: api.projects.create,
    saved: { ...blank, name },
    toBody: (values) => {
      const slug = values.slug || slugFrom(values.name);
      return {
        organization_id: orgId,
        name: values.name,
        ...(slug === "" ? {} : { slug }),
        description: values.description.trim() || null,
        ...(values.contents === "import" ? sourceOf(values) : {}),
      };
    },
    run: (body, headers) => client.projects.create({ body }, { headers }),
    fieldOf: slugCodes,
    refresh: [projectsKey, organizationsKey],
    alsoShown: ["credential"],
    successMessage: ({ status }) => (status === "importing" ? "Import started" : "Project created"),
    onDone: onCreated,
  });
  const credentialFields = (
    <CredentialFields
      url={form.values.import_url}
      values={form.values.credential}
      onChange={(change) => form.set({ credential: { ...form.values.credential, ...change } })}
      errors={{
        token: form.errorOf("credential.token"),
        username: form.errorOf("credential.username"),
        key: form.errorOf("credential.private_key", "credential"),
      }}
    />
  );
  const setSlug = (slug: string): void => form.set({ slug });

  return (
    <Form label="New project" {...form.props}>
      <TextField label="Name" {...form.field("name")} />
      <TextField
        label="Slug"
        {...form.field("slug")}
        value={form.values.slug || slugFrom(form.values.name)}
        className="font-mono text-[13px]"
        hint={
          <SuggestedSlug suggestion={form.error?.problem.suggestion} onTake={setSlug}>
            The last part of the clone URL.
          </SuggestedSlug>
        }
      />
      <TextArea label="Description" optional rows={2} {...form.field("description")} />
      <RadioList
        legend="Contents"
        value={form.values.contents}
        onChange={(contents) => form.set({ contents })}
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
              <div className="flex flex-col gap-4">
                <TextField
                  label="Repository URL"
                  type="url"
                  placeholder="https://github.com/acme/app.git"
                  {...form.field("import_url")}
                />
                {isSsh(form.values.import_url) ? (
                  credentialFields
                ) : (
                  <RadioList
                    legend="Access"
                    value={form.values.access}
                    onChange={(access) => form.set({ access })}
                    options={[
                      { value: "public", label: "Everybody may read it" },
                      {
                        value: "private",
                        label: "It is private",
                        children: credentialFields,
                      },
                    ]}
                  />
                )}
              </div>
            ),
          },
        ]}
      />
      <DialogActions>
        {onCancel && <Button onClick={onCancel}>Cancel</Button>}
        <SubmitButton>Create project</SubmitButton>
      </DialogActions>
    </Form>
  );
}
