import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import { weakenedApprovals, type ProtectedBranch } from "#shared/code/protection.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { PermissionHint } from "../../../../access/permission-hint.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { queryClient } from "../../../../api/query-client.js";
import { checksQuery } from "../../../../api/queries/code/merge-queue.js";
import { projectQuery, projectsKey } from "../../../../api/queries/code/projects.js";
import { strategyOptionsOf } from "../../parts/merges/strategies.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Checkbox, SavedMeanwhile, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Card } from "../../../../ui/layout/card.js";
import { visible } from "../../../../ui/text/plain-text.js";
import type { EntryFieldsProps } from "./entry-fields.js";
import { RequiredReviews } from "./required-reviews.js";
import { isPending, messageAfter, saveOrPropose } from "./save-or-propose.js";
import { WeakeningHint } from "./weakening-hint.js";

const maxEntries = 50;
const blank: ProtectedBranch = {
  pattern: "",
  checks: [],
  approvals: 0,
  strategy: null,
  dismiss_stale_approvals: true,
  resolve_threads: false,
  reviews: [],
};
const approvalOptions = [0, 1, 2, 3, 4, 5].map((count) => ({
  value: String(count),
  label: count === 0 ? "None" : count === 1 ? "1 person" : `${count} people`,
}));

/** The rules of the project's branches: which checks and approvals a merge needs. */
export function ProtectedBranchesCard({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement {
  const params = { project_id: project.id };
  const reason = refusal("project:write") ?? refusal("project:protection:write");
  const { data: checks = [] } = useQuery(checksQuery(project.id));
  const form = useForm({
    endpoint: api.projects.update,
    ...editOptions(
      project,
      () => queryClient.fetchQuery({ ...projectQuery(project.id), staleTime: 0 }),
      ({ protected_branches }: Project) => ({ protected_branches }),
    ),
    toBody: ({ protected_branches }) => ({
      protected_branches: protected_branches.map((entry) => ({
        ...entry,
        pattern: entry.pattern.trim(),
      })),
    }),
    run: (body, headers) =>
      saveOrPropose(
        () => client.projects.update({ params, body }, { headers }),
        project.id,
        body,
        headers,
      ),
    refresh: [projectsKey],
    successMessage: (data) => messageAfter(data, "Protected branches saved"),
    // The rules in force stay in the form.
    onDone: (data) => {
      if (isPending(data)) form.set({ protected_branches: project.protected_branches });
    },
  });
  const { value: entries, onChange, incoming } = form.field("protected_branches");
  const approvals = weakenedApprovals(
    { entries: project.protected_branches, checks: new Map() },
    { entries, checks: new Map() },
  );
  const change = (index: number, part: Partial<ProtectedBranch>): void =>
    onChange(entries.map((entry, at) => (at === index ? { ...entry, ...part } : entry)));
  return (
    <Card title="Protected branches">
      <Form label="Protected branches" {...form.props}>
        <p className="text-muted">
          A branch follows the first entry whose pattern matches its name. With checks, approvals or
          second opinions, it changes only through the merge queue. Branches of workspaces are never
          protected.
        </p>
        <PermissionHint reason={reason} />
        {entries.length > 0 && (
          <ol className="flex flex-col gap-4">
            {entries.map((entry, index) => (
              // oxlint-disable-next-line react/no-array-index-key -- the place is the identity of an entry
              <li key={index} className="flex flex-col gap-3 border-b border-line pb-4">
                <EntryFields
                  entry={entry}
                  index={index}
                  checks={checks.map(({ name }) => name)}
                  reason={reason}
                  errorOf={(name) => form.errorOf(`protected_branches.${index}.${name}`)}
                  onChange={(part) => change(index, part)}
                />
                <div>
                  <Button
                    size="sm"
                    aria-label={`Remove ${entry.pattern === "" ? `entry ${index + 1}` : visible(entry.pattern)}`}
                    disabledReason={reason}
                    onClick={() => onChange(entries.filter((_entry, at) => at !== index))}
                  >
                    Remove
                  </Button>
                </div>
              </li>
            ))}
          </ol>
        )}
        {incoming && (
          <SavedMeanwhile
            label="protected branches"
            incoming={{ ...incoming, value: incoming.value.map(({ pattern }) => pattern) }}
          />
        )}
        <WeakeningHint approvals={approvals} />
        <div className="flex flex-wrap gap-2">
          <Button
            icon="plus"
            disabledReason={
              reason ??
              (entries.length >= maxEntries
                ? `A project has at most ${maxEntries} entries.`
                : undefined)
            }
            onClick={() => onChange([...entries, blank])}
          >
            Add entry
          </Button>
          <SubmitButton disabledReason={reason}>
            {approvals === 0 ? "Save Changes" : "Propose changes"}
          </SubmitButton>
        </div>
      </Form>
    </Card>
  );
}

function EntryFields(props: EntryFieldsProps): ReactElement {
  const { entry, index, checks, reason, errorOf, onChange } = props;
  const name = entry.pattern === "" ? `entry ${index + 1}` : visible(entry.pattern);
  return (
    <>
      <div className="grid gap-3 sm:grid-cols-3">
        <TextField
          label={`Branches ${index + 1}`}
          name={`protected_branches.${index}.pattern`}
          value={entry.pattern}
          placeholder="release/*"
          className="font-mono text-[13px]"
          disabledReason={reason}
          error={errorOf("pattern")}
          hint="A name, in which * stands for one part and ** for any."
          onChange={(pattern) => onChange({ pattern })}
        />
        <SelectField
          label={`Approvals ${index + 1}`}
          name={`protected_branches.${index}.approvals`}
          value={String(entry.approvals)}
          options={approvalOptions}
          disabledReason={reason}
          error={errorOf("approvals")}
          hint="By others than the author."
          onChange={(count) => onChange({ approvals: Number(count) })}
        />
        <SelectField
          label={`Strategy ${index + 1}`}
          name={`protected_branches.${index}.strategy`}
          value={entry.strategy ?? ""}
          options={[{ value: "", label: "Any" }, ...strategyOptionsOf.merge]}
          disabledReason={reason}
          error={errorOf("strategy")}
          hint="The only one that merges may use."
          onChange={(strategy) =>
            onChange({
              strategy: strategy === "" ? null : (strategy as ProtectedBranch["strategy"]),
            })
          }
        />
      </div>
      <fieldset className="flex flex-wrap items-center gap-x-5 gap-y-2">
        <legend className="mb-1 text-[13px] font-medium">Required checks of {name}</legend>
        {checks.length === 0 ? (
          <span className="text-muted">Create a check first.</span>
        ) : (
          checks.map((check) => (
            <Checkbox
              key={check}
              label={check}
              checked={entry.checks.includes(check)}
              disabledReason={reason}
              onChange={(isRequired) =>
                onChange({
                  checks: isRequired
                    ? [...entry.checks, check]
                    : entry.checks.filter((other) => other !== check),
                })
              }
            />
          ))
        )}
      </fieldset>
      <fieldset className="flex flex-col gap-2">
        <legend className="mb-1 text-[13px] font-medium">Reviews of {name}</legend>
        <Checkbox
          label="Dismiss approvals when the change differs"
          hint="An approval stays when only the target branch has moved."
          checked={entry.dismiss_stale_approvals}
          disabledReason={reason}
          onChange={(isOn) => onChange({ dismiss_stale_approvals: isOn })}
        />
        <Checkbox
          label="Require resolved threads"
          hint="A merge waits until all threads of its task are resolved."
          checked={entry.resolve_threads}
          disabledReason={reason}
          onChange={(isOn) => onChange({ resolve_threads: isOn })}
        />
      </fieldset>
      <RequiredReviews {...props} name={name} />
    </>
  );
}
