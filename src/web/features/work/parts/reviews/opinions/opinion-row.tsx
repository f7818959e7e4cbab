import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { Opinion } from "#shared/api/work/opinions.js";
import type { Task } from "#shared/api/work/tasks.js";
import { approvalRefusal } from "../../../../../access/deny-reason.js";
import { useDenyReason } from "../../../../../access/permissions.js";
import { client } from "../../../../../api/client.js";
import { openTasksKey } from "../../../../../api/queries/work/tasks.js";
import { projectsKey } from "../../../../../api/queries/code/projects.js";
import { useApiMutation } from "../../../../../api/use-mutation.js";
import { paths } from "../../../../../paths/paths.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { Badge, type Tone } from "../../../../../ui/feedback/badge.js";
import { TextArea } from "../../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../../ui/fields/form.js";
import { Dialog, DialogActions } from "../../../../../ui/overlays/dialog.js";
import { countOf } from "../../../../../ui/text/number.js";
import { Markdown } from "../../../../../ui/text/markdown.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../../ui/text/time.js";
import { costText } from "../../../../organization/parts/usage/model-figures.js";

interface OpinionRowProps {
  opinion: Opinion;
  task: Task;
  /** The agent whose work it is about, to which its runs belong. */
  agentId: string;
  /** Why the viewer may not change it. */
  reason: string | undefined;
}

/** A second opinion: the program, its state or verdict, and what can be done about it. */
export function OpinionRow({ opinion, task, agentId, reason }: OpinionRowProps): ReactElement {
  const { title, model, detail, dismissed, required, current, run_id, prompt, summary } = opinion;
  const state = stateOf(opinion);
  return (
    <article
      aria-label={`Second opinion of ${title}`}
      className="flex flex-col gap-1.5 px-3 py-2 text-[13px]"
    >
      <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
        <PlainText value={title} className="font-medium" />
        <Badge>Agent</Badge>
        <Badge tone={state.tone}>{state.name}</Badge>
        {required && <Badge tone="accent">Required</Badge>}
        {!current && <Badge tone="warn">Earlier changes</Badge>}
        {dismissed && <Badge>Dismissed</Badge>}
        <span className="text-muted">
          {model !== null && (
            <>
              <PlainText value={model} />
              {", "}
            </>
          )}
          {opinion.cost_usd > 0 && `${costText(opinion.cost_usd)}, `}
          <RelativeTime value={opinion.ended_at ?? opinion.started_at ?? opinion.created_at} />
        </span>
        <span className="ml-auto flex flex-wrap items-center gap-2">
          {run_id !== null && (
            <Link
              {...paths.run(agentId, run_id)}
              className="inline-flex min-h-6 items-center text-accent-ink hover:underline"
            >
              Show run
            </Link>
          )}
          <OpinionActions opinion={opinion} task={task} reason={reason} />
        </span>
      </div>
      {prompt !== "" && (
        <p className="text-muted">
          Asked to look at: <PlainText value={prompt} />
        </p>
      )}
      {summary !== null && summary.trim() !== "" && (
        <div className="max-h-60 overflow-y-auto">
          <Markdown text={summary} isGrowing={false} />
        </div>
      )}
      {detail !== null && (
        <p className={opinion.status === "failed" ? "text-bad" : "text-muted"}>
          <PlainText value={detail} />
        </p>
      )}
      {dismissed && (
        <p className="text-muted">
          Dismissed by <PlainText value={dismissed.by.name} />:{" "}
          <PlainText value={dismissed.reason} />
        </p>
      )}
    </article>
  );
}

function stateOf({ status, verdict, open_threads: open }: Opinion): { name: string; tone: Tone } {
  switch (status) {
    case "queued":
      return { name: "Queued", tone: "neutral" };
    case "running":
      return { name: "Reviewing", tone: "accent" };
    case "failed":
      return { name: "Failed", tone: "bad" };
    case "cancelled":
      return { name: "Canceled", tone: "neutral" };
    case "done":
      if (verdict === "request_changes" && open > 0) {
        return { name: `Requests changes, ${countOf(open, "open thread")}`, tone: "warn" };
      }
      if (verdict === "request_changes") return { name: "Its threads are resolved", tone: "good" };
      return {
        name: open > 0 ? `Commented, ${countOf(open, "open thread")}` : "Commented",
        tone: "good",
      };
  }
}

function OpinionActions({ opinion, task, reason }: Omit<OpinionRowProps, "agentId">): ReactElement {
  const [isDismissing, setDismissing] = useState(false);
  const refusal = useDenyReason(task.organization_id);
  const { title, status, dismissed } = opinion;
  const params = { opinion_id: opinion.id };
  const refresh = [openTasksKey, projectsKey];
  const retry = useApiMutation({
    run: (_input: undefined, headers) => client.opinions.retry({ params }, { headers }),
    refresh,
    toastErrors: true,
  });
  const cancel = useApiMutation({
    run: (_input: undefined, headers) => client.opinions.cancel({ params }, { headers }),
    refresh,
    toastErrors: true,
  });
  const isOpen = status === "queued" || status === "running";
  const hasFailed = status === "failed" || status === "cancelled";
  const canDismiss = !isOpen && dismissed === null && opinion.blocks !== null && opinion.required;
  return (
    <>
      {isOpen && (
        <Button
          size="sm"
          aria-label={`Cancel the second opinion of ${title}`}
          pending={cancel.pending}
          disabledReason={reason}
          onClick={() => cancel.submit(undefined)}
        >
          Cancel
        </Button>
      )}
      {hasFailed && (
        <Button
          size="sm"
          aria-label={`Retry the second opinion of ${title}`}
          pending={retry.pending}
          disabledReason={reason}
          onClick={() => retry.submit(undefined)}
        >
          Retry
        </Button>
      )}
      {canDismiss && (
        <Button
          size="sm"
          aria-label={`Dismiss the second opinion of ${title}`}
          disabledReason={reason ?? approvalRefusal(refusal)}
          onClick={() => setDismissing(true)}
        >
          Dismiss
        </Button>
      )}
      <Dialog
        isOpen={isDismissing}
        onClose={() => setDismissing(false)}
        title={`Dismiss the opinion of ${title}?`}
        description="It no longer holds up the merge. Its threads stay, and the audit log keeps your reason."
      >
        <DismissForm opinion={opinion} onClose={() => setDismissing(false)} />
      </Dialog>
    </>
  );
}

function DismissForm({
  opinion,
  onClose,
}: {
  opinion: Opinion;
  onClose: () => void;
}): ReactElement {
  const [text, setText] = useState("");
  const params = { opinion_id: opinion.id };
  const dismiss = useApiMutation({
    run: (why: string, headers) =>
      client.opinions.dismiss({ params, body: { reason: why } }, { headers }),
    refresh: [openTasksKey, projectsKey],
    successMessage: () => "The second opinion is dismissed",
    onDone: onClose,
  });
  const isEmpty = text.trim() === "";
  return (
    <Form
      label="Dismiss the second opinion"
      onSubmit={() => {
        if (!isEmpty) dismiss.submit(text.trim());
      }}
      error={dismiss.error}
      isShownAtField={false}
      pending={dismiss.pending}
    >
      {opinion.blocks !== null && (
        <Alert tone="info">
          <PlainText value={opinion.blocks} />
        </Alert>
      )}
      <TextArea label="Reason" name="reason" value={text} rows={3} onChange={setText} />
      <DialogActions>
        <Button onClick={onClose}>Keep the opinion</Button>
        <SubmitButton variant="danger" disabledReason={isEmpty ? "Enter a reason" : undefined}>
          Dismiss opinion
        </SubmitButton>
      </DialogActions>
    </Form>
  );
}
