import { type ReactElement, useState } from "react";
import type { Task } from "#shared/api/work/tasks.js";
import { client } from "../../../api/client.js";
import { openTasksKey, taskListsKey } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { Button } from "../../../ui/actions/button.js";
import { Badge, type Tone } from "../../../ui/feedback/badge.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { OpenPullRequestDialog, PullRequestActions } from "./pull-request-dialogs.js";

type PullRequest = NonNullable<Task["pull_request"]>;

const isOpen = (request: PullRequest | null): boolean =>
  request !== null && (request.state === "open" || request.state === "draft");

/** Opens a pull request, where the task allows it and none is open. */
export function OpenPullRequestButton({
  task,
  size,
}: {
  task: Task;
  size: "sm" | "md";
}): ReactElement | null {
  const [isShown, setShown] = useState(false);
  const open = useApiMutation({
    run: (_input: undefined, headers) =>
      client.pullRequests.open({ params: { task_id: task.id }, body: {} }, { headers }),
    refresh: [openTasksKey, taskListsKey],
    successMessage: ({ number }) => `Pull request #${number} is open`,
    toastErrors: true,
  });
  if (!task.actions.open_pull_request.allowed || isOpen(task.pull_request)) return null;
  return (
    <>
      <Button size={size} pending={open.pending} onClick={() => open.submit(undefined)}>
        Open pull request
      </Button>
      <Button size={size} variant="ghost" onClick={() => setShown(true)}>
        Pull request with options
      </Button>
      {isShown && <OpenPullRequestDialog taskId={task.id} onClose={() => setShown(false)} />}
    </>
  );
}

const states: Record<PullRequest["state"], { name: string; tone: Tone }> = {
  opening: { name: "Not open yet", tone: "warn" },
  open: { name: "Open", tone: "good" },
  draft: { name: "Draft", tone: "neutral" },
  merged: { name: "Merged", tone: "accent" },
  closed: { name: "Closed", tone: "neutral" },
};

const decisions = {
  approved: "Approved",
  changes_requested: "Changes requested",
  review_required: "Review required",
} as const;

/** The state of a task's pull request, with a link to it. */
export function PullRequestState({ request }: { request: PullRequest }): ReactElement {
  const { number, url, state, review_decision: decision, checks, mergeable, error } = request;
  const failed = checks.filter(({ status }) => status === "failure").length;
  const pending = checks.filter(({ status }) => status === "pending").length;
  const words = isOpen(request)
    ? [
        decision && decisions[decision],
        failed > 0 && `${failed} of ${checks.length} checks failed`,
        failed === 0 && pending > 0 && `${pending} of ${checks.length} checks pending`,
        failed === 0 && pending === 0 && checks.length > 0 && "Checks passed",
        mergeable === false && "Has conflicts",
      ].filter((word) => typeof word === "string")
    : [];
  const name = number === null ? "Pull request" : `Pull request #${number}`;
  return (
    <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
      {url !== null && /^https?:/.test(url) ? (
        <a href={url} rel="noreferrer" target="_blank" className="text-accent-ink hover:underline">
          {name}
        </a>
      ) : (
        name
      )}
      <Badge tone={states[state].tone}>{states[state].name}</Badge>
      {words.map((word) => (
        <span key={word}>{word}</span>
      ))}
      <PullRequestActions request={request} />
      {error !== null && (
        <span className="text-bad">
          <PlainText value={error} />
        </span>
      )}
    </span>
  );
}
