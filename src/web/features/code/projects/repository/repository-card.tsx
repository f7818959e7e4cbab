import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { defaultBodyTemplate, defaultBranchTemplate } from "#shared/work/pull-request-template.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { forgesQuery } from "../../../../api/queries/work/forges.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Checkbox, TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { ForgeRepositoryField } from "../../parts/projects/forge-repository-field.js";

interface RepositoryCardProps {
  project: Project;
  refusal: DenyReason;
}

/** The repository on a forge that a project is linked to, and how its pull requests are named and described. */
export function RepositoryCard({ project, refusal }: RepositoryCardProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const repository = project.upstream?.repository ?? null;
  const reason =
    refusal("project:write") ??
    refusal("org:forges:read") ??
    (project.status === "ready" ? undefined : "Wait until the project is imported.");
  return (
    <Card
      title="Repository on a forge"
      actions={
        <Button disabledReason={reason} onClick={() => setOpen(true)}>
          {repository === null ? "Link repository" : "Edit"}
        </Button>
      }
    >
      {repository === null ? (
        <p className="text-muted">
          Not linked. Once it is, the project fetches from the repository, and the work of its tasks
          becomes pull requests there.
        </p>
      ) : (
        <Details
          rows={{
            Repository: (
              <a href={repository.url} rel="noreferrer" className="link [overflow-wrap:anywhere]">
                <PlainText value={repository.name} />
              </a>
            ),
            Branches: (
              <code className="font-mono text-[13px] [overflow-wrap:anywhere]">
                {repository.branch_template ?? defaultBranchTemplate}
              </code>
            ),
            Bodies: repository.body_template === null ? "As usual" : "By a template",
          }}
        />
      )}
      {repository !== null && <HoldTasks project={project} reason={refusal("project:write")} />}
      {isOpen && <RepositoryDialog project={project} onClose={() => setOpen(false)} />}
    </Card>
  );
}

/** Whether tasks from texts of people from outside wait for a person. */
function HoldTasks({
  project,
  reason,
}: {
  project: Project;
  reason: string | undefined;
}): ReactElement {
  const params = { project_id: project.id };
  const change = useApiMutation({
    run: (hold_untrusted_tasks: boolean, headers) =>
      client.projects.update({ params, body: { hold_untrusted_tasks } }, { headers }),
    refresh: [projectsKey],
    toastErrors: true,
    successMessage: ({ hold_untrusted_tasks: holds }) =>
      holds ? "Tasks from outside wait for a person" : "Tasks from outside start at once",
  });
  return (
    <div className="mt-4">
      <Checkbox
        label="Hold tasks from outside"
        hint="A task whose text is by people without write access to the repository waits until a person releases it."
        checked={change.pending ? !project.hold_untrusted_tasks : project.hold_untrusted_tasks}
        onChange={change.submit}
        disabledReason={reason}
      />
    </div>
  );
}

function RepositoryDialog({
  project,
  onClose,
}: {
  project: Project;
  onClose: () => void;
}): ReactElement {
  const { organization_id: orgId, upstream } = project;
  const linked = upstream?.repository ?? null;
  const { data: forges = [] } = useQuery(forgesQuery(orgId));
  const firstForge = forges[0]?.id ?? "";
  const form = useForm({
    endpoint: api.upstreams.linkRepository,
    saved: {
      forge_id: linked?.forge_id ?? "",
      repository: linked?.name ?? "",
      branch_template: linked?.branch_template ?? defaultBranchTemplate,
      body_template: linked?.body_template ?? defaultBodyTemplate,
    },
    toBody: ({ forge_id, repository, branch_template, body_template }) => ({
      forge_id: forge_id || firstForge,
      repository: repository.trim(),
      branch_template: branch_template === defaultBranchTemplate ? null : branch_template,
      body_template: body_template === defaultBodyTemplate ? null : body_template,
    }),
    run: (body, headers) =>
      client.upstreams.linkRepository({ params: { project_id: project.id }, body }, { headers }),
    refresh: [projectsKey],
    successMessage: () => "The repository is saved",
    onDone: onClose,
  });
  return (
    <Dialog
      isOpen
      onClose={onClose}
      width="wide"
      title="Repository on a forge"
      description="Fields stand in double braces. Write your own words around them; mentions of people in what agents wrote notify no one."
    >
      <Form label="Repository" {...form.props}>
        <ForgeRepositoryField
          orgId={orgId}
          forges={forges}
          forgeId={form.values.forge_id || firstForge}
          onForge={(forge_id) => form.set({ forge_id })}
          repository={form.values.repository}
          onRepository={(repository) => form.set({ repository })}
          error={form.errorOf("repository", "forge_id")}
        />
        <TextField
          label="Branch of a pull request"
          className="font-mono text-[13px]"
          spellCheck={false}
          hint="{{task.number}} and {{task.slug}}, the title as a name."
          {...form.field("branch_template")}
        />
        <TextArea
          label="Body of a pull request"
          rows={7}
          className="font-mono text-[13px]"
          hint="{{summary}}, {{checks}} that ran here, {{task.title}}, {{task.number}}, {{task.url}}, {{project.name}}."
          {...form.field("body_template")}
        />
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <SubmitButton>Save</SubmitButton>
        </DialogActions>
      </Form>
    </Dialog>
  );
}
