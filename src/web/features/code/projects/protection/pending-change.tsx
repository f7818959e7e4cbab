import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { Project } from "#shared/api/code/projects.js";
import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import type { ProtectedBranch } from "#shared/code/protection.js";
import { approvalRefusal, type DenyReason } from "../../../../access/deny-reason.js";
import { presetTitles } from "#shared/execution/run-choices.js";
import { client } from "../../../../api/client.js";
import { meQuery } from "../../../../api/queries/identity/auth.js";
import { projectsKey } from "../../../../api/queries/code/projects.js";
import { pendingChangeQuery } from "../../../../api/queries/code/protection-changes.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { lineOf } from "../../../../components/command/command-line.js";
import { Button } from "../../../../ui/actions/button.js";
import { Card } from "../../../../ui/layout/card.js";
import { visible, visibleLines } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

/** The change of the project's protection that waits for approvals; nothing without one. */
export function PendingChange({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement | null {
  const { data: change } = useQuery(pendingChangeQuery(project.id));
  if (!change) return null;
  const { proposed_by, approvals, required_approvals: required } = change;
  const names = approvals.map(({ by }) => visible(by.name)).join(", ");
  return (
    <Card
      title="Proposed change of protection"
      footer={<ChangeActions change={change} refusal={refusal} />}
    >
      <dl className="grid gap-x-8 gap-y-2 sm:grid-cols-[8.5rem_minmax(0,1fr)]">
        <dt className="text-muted">Proposed by:</dt>
        <dd className="min-w-0 [overflow-wrap:anywhere]">
          {visible(proposed_by.name)}, <RelativeTime value={change.created_at} />
        </dd>
        <dt className="text-muted">Approvals:</dt>
        <dd className="min-w-0 [overflow-wrap:anywhere]">
          {approvals.length} of {required}
          {names !== "" && ` (${names})`}
        </dd>
        <ProposedRules change={change} current={project.protected_branches} />
      </dl>
    </Card>
  );
}

function ProposedRules({
  change: { protected_branches: entries, checks },
  current,
}: {
  change: ProtectionChange;
  current: readonly ProtectedBranch[];
}): ReactElement {
  return (
    <>
      {entries !== null && (
        <>
          <dt className="text-muted">Rules now:</dt>
          <Rules entries={current} />
          <dt className="text-muted">Rules proposed:</dt>
          <Rules entries={entries} />
        </>
      )}
      {checks.map(({ name, command, log_pattern: pattern, network, timeout_seconds: seconds }) => (
        <div key={name} className="contents">
          <dt className="text-muted">Check {visible(name)}:</dt>
          <dd className="min-w-0 [overflow-wrap:anywhere]">
            <code className="font-mono text-[13px]">{visibleLines(lineOf(command))}</code>
            {`, ${seconds} s, network ${network}`}
            {pattern !== null && `, output must match ${visible(pattern)}`}
          </dd>
        </div>
      ))}
    </>
  );
}

function Rules({ entries }: { entries: readonly ProtectedBranch[] }): ReactElement {
  return (
    <dd className="min-w-0 [overflow-wrap:anywhere]">
      {entries.length === 0 ? (
        "None"
      ) : (
        <ul>
          {entries.map((entry) => (
            <li key={entry.pattern}>{textOf(entry)}</li>
          ))}
        </ul>
      )}
    </dd>
  );
}

function textOf(entry: ProtectedBranch): string {
  const {
    pattern,
    checks,
    approvals,
    strategy,
    dismiss_stale_approvals,
    resolve_threads,
    reviews,
  } = entry;
  const parts = [
    approvals === 1 ? "1 approval" : `${approvals} approvals`,
    checks.length === 0 ? "no checks" : `checks ${checks.map(visible).join(", ")}`,
    ...(strategy === null ? [] : [`strategy ${strategy}`]),
    ...(dismiss_stale_approvals ? [] : ["approvals stay when the change differs"]),
    ...(resolve_threads ? ["threads must be resolved"] : []),
    ...reviews.map(
      ({ preset, prompt }) =>
        `second opinion of ${presetTitles[preset]}${prompt === "" ? "" : ` on ${visible(prompt)}`}`,
    ),
  ];
  return `${visible(pattern)}: ${parts.join("; ")}`;
}

function ChangeActions({
  change: { id, proposed_by, approvals, required_approvals },
  refusal,
}: {
  change: ProtectionChange;
  refusal: DenyReason;
}): ReactElement {
  const { data: me } = useQuery(meQuery);
  const params = { protection_change_id: id };
  const approve = useApiMutation({
    run: (_input: undefined, headers) => client.protectionChanges.approve({ params }, { headers }),
    refresh: [projectsKey],
    successMessage: ({ status }) =>
      status === "applied" ? "Approved, and in effect now" : "Approved",
    toastErrors: true,
  });
  // After another approver has left, an approval again applies the change.
  const hasApproved =
    approvals.some(({ by }) => by.id === me?.id) && approvals.length < required_approvals;
  return (
    <>
      <Button
        variant="primary"
        pending={approve.pending}
        disabledReason={
          approvalRefusal(refusal) ??
          (proposed_by.id === me?.id
            ? "You proposed this change; another person must approve it."
            : hasApproved
              ? "You have approved this change; another person must approve it, too."
              : undefined)
        }
        onClick={() => approve.submit(undefined)}
      >
        Approve change
      </Button>
      <ConfirmButton
        label="Withdraw change"
        disabledReason={refusal("project:protection:write")}
        title="Withdraw this change?"
        action="Withdraw change"
        mutation={{
          run: (_input, headers) => client.protectionChanges.withdraw({ params }, { headers }),
          refresh: [projectsKey],
          successMessage: () => "The change is withdrawn",
        }}
      >
        The rules stay as they are. The change can be proposed again.
      </ConfirmButton>
    </>
  );
}
