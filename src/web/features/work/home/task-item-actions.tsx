import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { DenyReason } from "../../../access/deny-reason.js";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { overviewKey } from "../../../api/queries/work/overview.js";
import { tasksKey } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { visible } from "../../../ui/text/plain-text.js";
import type { ItemOf } from "./attention-sections.js";
import { budgetLink } from "./item-title.js";
import { LinkOr } from "./link-or.js";

interface TaskItemActionsProps {
  item: ItemOf<"task">;
  orgId: string;
  refusal: DenyReason;
  /** Whether the field for an answer is open. */
  isAnswering: boolean;
  onAnswering: (isOpen: boolean) => void;
}

/** What can be done about a task in its row; everything else is on its page. */
export function TaskItemActions(props: TaskItemActionsProps): ReactElement {
  const { item, orgId, refusal } = props;
  const reason = refusal("project:task:write");
  switch (item.kind) {
    case "question":
      return <AnswerButton {...props} isPrimary reason={reason} />;
    case "no_changes":
      return (
        <>
          <AnswerButton {...props} isPrimary={false} reason={reason} />
          <OpenLink item={item} label="Open" />
        </>
      );
    case "missing_key":
      return (
        <>
          <LinkOr reason={refusal("org:secrets:write")} label="Add key">
            <Link {...paths.organizationSettings(orgId)} className={buttonClass("secondary", "sm")}>
              Add key
            </Link>
          </LinkOr>
          <RetryButton item={item} orgId={orgId} reason={reason} />
        </>
      );
    case "review":
      return <OpenLink item={item} label="Review" isPrimary />;
    // The text is to be read before.
    case "release":
      return <OpenLink item={item} label="Read" isPrimary />;
    case "delivery_unknown":
    case "failed":
      return (
        <>
          <RetryButton item={item} orgId={orgId} reason={reason} />
          <OpenLink item={item} label="Open" />
        </>
      );
    case "stuck":
      return (
        <>
          <OpenLink item={item} label="Open" />
          <StopButton item={item} orgId={orgId} reason={reason} />
        </>
      );
    case "conflict":
      return (
        <LinkOr reason={refusal("agent:workspace:read")} label="Compare">
          <Link {...paths.newMerge(item.agent_id ?? "")} className={buttonClass("secondary", "sm")}>
            Compare
          </Link>
        </LinkOr>
      );
    case "budget":
      return (
        <>
          <LinkOr reason={refusal("org:limits:write")} label="Raise…">
            <Link
              {...budgetLink({ agent_id: null, project_id: null }, orgId)}
              className={buttonClass("secondary", "sm")}
            >
              Raise…
            </Link>
          </LinkOr>
          <RetryButton item={item} orgId={orgId} reason={reason} />
        </>
      );
  }
}

const nameOf = ({ task_number, task_title }: ItemOf<"task">): string =>
  `#${task_number} ${visible(task_title ?? "")}`;

function OpenLink({
  item,
  label,
  isPrimary = false,
}: {
  item: ItemOf<"task">;
  label: string;
  isPrimary?: boolean;
}): ReactElement {
  return (
    <Link
      {...paths.task(item.task_id ?? "")}
      aria-label={`${label} ${nameOf(item)}`}
      className={buttonClass(isPrimary ? "primary" : "secondary", "sm")}
    >
      {label}
    </Link>
  );
}

function AnswerButton({
  item,
  isAnswering,
  onAnswering,
  isPrimary,
  reason,
}: TaskItemActionsProps & { isPrimary: boolean; reason: string | undefined }): ReactElement {
  return (
    <Button
      size="sm"
      variant={isPrimary && !isAnswering ? "primary" : "secondary"}
      aria-label={`Answer… ${nameOf(item)}`}
      aria-expanded={isAnswering}
      disabledReason={reason}
      onClick={() => onAnswering(!isAnswering)}
    >
      Answer…
    </Button>
  );
}

interface CommandProps {
  item: ItemOf<"task">;
  orgId: string;
  reason: string | undefined;
}

function RetryButton({ item, orgId, reason }: CommandProps): ReactElement {
  const params = { task_id: item.task_id ?? "" };
  const retry = useApiMutation({
    run: (_input: undefined, headers) => client.tasks.retry({ params }, { headers }),
    refresh: [tasksKey, agentsKey, overviewKey(orgId)],
    successMessage: () => "Task started again",
    toastErrors: true,
  });
  return (
    <Button
      size="sm"
      icon="retry"
      aria-label={`Retry ${nameOf(item)}`}
      pending={retry.pending}
      disabledReason={reason}
      onClick={() => retry.submit(undefined)}
    >
      Retry
    </Button>
  );
}

function StopButton({ item, orgId, reason }: CommandProps): ReactElement {
  const params = { task_id: item.task_id ?? "" };
  const stop = useApiMutation({
    run: (_input: undefined, headers) => client.tasks.stop({ params }, { headers }),
    refresh: [tasksKey, agentsKey, overviewKey(orgId)],
    successMessage: () => "Task stopped. Its changes are kept.",
    toastErrors: true,
  });
  return (
    <Button
      size="sm"
      icon="stop"
      aria-label={`Stop ${nameOf(item)}`}
      pending={stop.pending}
      disabledReason={reason}
      onClick={() => stop.submit(undefined)}
    >
      Stop
    </Button>
  );
}
