import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Forge } from "#shared/api/work/forges.js";
import type { Project } from "#shared/api/code/projects.js";
import { slugFrom } from "#shared/organization/slug-from.js";
import { client } from "../../../../api/client.js";
import { api } from "../../../../api/api-calls.js";
import { useForm } from "../../../../forms/use-form.js";
import { paths } from "../../../../paths/paths.js";
import { Button } from "../../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { RadioList } from "../../../../ui/fields/radio.js";
import { slugCodes, SuggestedSlug } from "../../../organization/parts/suggested-slug.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import {
  blankCredential,
  CredentialFields,
  credentialOf,
  isSsh,
  type CredentialValues,
} from "./credential-fields.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { forgesQuery } from "../../../../api/queries/work/forges.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { ImportRepositories } from "./import-repositories.js";
import { ForgeRepositoryField } from "./forge-repository-field.js";

interface NewProjectDialogProps {
  isOpen: boolean;
  onClose: () => void;
  orgId: string;
}

export function NewProjectDialog({ isOpen, onClose, orgId }: NewProjectDialogProps): ReactElement {
  const navigate = useNavigate();
  const [forges, setForges] = useState<readonly Forge[] | null>(null);
  const close = (): void => {
    setForges(null);
    onClose();
  };
  if (forges !== null) {
    return (
      <Dialog
        isOpen={isOpen}
        onClose={close}
        title="Import repositories"
        description="Each becomes a project with its name, linked to its repository."
      >
        <ImportRepositories
          orgId={orgId}
          forges={forges}
          onBack={() => setForges(null)}
          onClose={close}
        />
      </Dialog>
    );
  }
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
        onSeveral={setForges}
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
  contents: "empty" | "import" | "forge";
  /** Empty: the first connection. */
  forge_id: string;
  repository: string;
  import_url: string;
  access: "public" | "private";
  credential: CredentialValues;
}

const blank: Values = {
  name: "",
  slug: "",
  description: "",
  contents: "empty",
  forge_id: "",
  repository: "",
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
  /** Goes on with several repositories of these forges. */
  onSeveral?: (forges: readonly Forge[]) => void;
  onCreated: (project: Project) => void;
}

/** Returns the name of the project; that of the repository, if none is written. */
function titleOf({
  name,
  contents,
  repository,
}: Pick<Values, "name" | "contents" | "repository">): string {
  return name.trim() === "" && contents === "forge"
    ? (repository.trim().split("/").at(-1) ?? "")
    : name;
}

export function NewProjectForm({
  orgId,
  name = "",
  onCancel,
  onSeveral,
  onCreated,
}: NewProjectFormProps): ReactElement {
  const refusal = useDenyReason(orgId);
  const mayRead = refusal("org:forges:read") === undefined;
  const { data: forges = [] } = useQuery({ ...forgesQuery(orgId), enabled: mayRead });
  const firstForge = forges[0]?.id ?? "";
  const form = useForm({
    endpoint: api.projects.create,
    saved: { ...blank, name },
    toBody: (values) => {
      const title = titleOf(values);
      const slug = values.slug || slugFrom(title);
      return {
        organization_id: orgId,
        name: title,
        ...(slug === "" ? {} : { slug }),
        description: values.description.trim() || null,
        ...(values.contents === "import" ? sourceOf(values) : {}),
        ...(values.contents === "forge" && {
          forge_id: values.forge_id || firstForge,
          repository: values.repository.trim(),
        }),
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
      <TextField
        label="Name"
        {...form.field("name")}
        placeholder={form.values.contents === "forge" ? titleOf(form.values) : ""}
      />
      <TextField
        label="Slug"
        {...form.field("slug")}
        value={form.values.slug || slugFrom(titleOf(form.values))}
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
          ...(forges.length === 0
            ? []
            : [
                {
                  value: "forge" as const,
                  label: "Import from a connected forge",
                  hint: "The project stays linked, and the work of its tasks becomes pull requests.",
                  children: (
                    <div className="flex flex-col gap-3">
                      <ForgeRepositoryField
                        orgId={orgId}
                        forges={forges}
                        forgeId={form.values.forge_id || firstForge}
                        onForge={(forge_id) => form.set({ forge_id })}
                        repository={form.values.repository}
                        onRepository={(repository) => form.set({ repository })}
                        error={form.errorOf("repository", "forge_id")}
                      />
                      {onSeveral && (
                        <div>
                          <Button size="sm" onClick={() => onSeveral(forges)}>
                            Import several repositories
                          </Button>
                        </div>
                      )}
                    </div>
                  ),
                },
              ]),
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
