import { Link } from "@tanstack/react-router";
import { Fragment, type ReactElement, type ReactNode } from "react";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { attentionNames } from "#shared/work/task-words.js";
import type { DenyReason } from "../../../access/deny-reason.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Icon, type IconName } from "../../../ui/actions/icons.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { Time } from "../../../ui/text/time.js";
import { actionReasons } from "./action-reasons.js";
import { AnswerField } from "./answer-field.js";
import { type ItemOf, rowOf } from "./attention-sections.js";
import { ItemActions } from "./item-actions.js";
import { itemLink, itemMessage, itemTitle } from "./item-title.js";
import { rowClass } from "./section.js";
import { rowLinkProps, rowProps } from "./use-row-keys.js";

interface AttentionRowProps {
  item: AttentionItem;
  orgId: string;
  /** The viewer. */
  userId: string | undefined;
  /** Whether the item is gone; its row stays until the pointer leaves the list. */
  isGone: boolean;
  refusal: DenyReason;
  /** Why nothing can be marked as done. */
  doneReason: string | undefined;
  /** Whether the field for an answer is open. */
  isAnswering: boolean;
  onAnswering: (isOpen: boolean) => void;
  /** Called when the viewer uses an action of the row. */
  onHandle: () => void;
  onDismiss: () => void;
  onSnooze: () => void;
}

type Look = readonly [icon: IconName, color: string, kind: string];

const accent = "bg-accent-soft text-accent-ink";
const bad = "bg-bad-soft text-bad";
const warn = "bg-warn-soft text-warn";
const good = "bg-good-soft text-good";

const looks: Record<Exclude<AttentionItem["type"], "task">, Look> = {
  permission_request: ["lock", accent, "Permission"],
  failed_run: ["warning", bad, "Failed run"],
  conflict: ["branch", warn, "Conflict"],
  merge_request: ["merge", accent, "Merge to approve"],
  budget: ["meter", warn, "Budget"],
  api_key: ["key", warn, "API key"],
};
const looksOfTasks: Record<ItemOf<"task">["kind"], readonly [icon: IconName, color: string]> = {
  question: ["question", accent],
  release: ["lock", accent],
  missing_key: ["key", accent],
  delivery_unknown: ["send", accent],
  review: ["check", good],
  no_changes: ["info", good],
  failed: ["warning", bad],
  stuck: ["clock", warn],
  conflict: ["branch", warn],
  budget: ["meter", warn],
};

const lookOf = (item: AttentionItem): Look =>
  item.type === "task" ? [...looksOfTasks[item.kind], attentionNames[item.kind]] : looks[item.type];

/** One thing that waits: what it is, where, since when, and its action in place. */
export function AttentionRow(props: AttentionRowProps): ReactElement {
  const { item, orgId, userId, isGone, refusal, doneReason, isAnswering, onAnswering } = props;
  const [icon, color, kind] = lookOf(item);
  const message = itemMessage(item);
  const reasons = actionReasons(item, refusal);
  return (
    <li
      {...rowProps(rowOf(item))}
      // A field with an answer stays usable: its text can still be copied.
      inert={isGone && !isAnswering}
      className={`grid grid-cols-[auto_minmax(0,1fr)_auto] items-start gap-x-3 gap-y-2 md:grid-cols-[auto_minmax(0,1fr)_auto_auto] ${rowClass} ${isGone ? "opacity-55" : ""}`}
    >
      <span
        title={kind}
        className={`mt-0.5 grid size-7 shrink-0 place-items-center rounded-md ${color}`}
      >
        <Icon name={icon} />
        <span className="sr-only">{kind}:</span>
      </span>
      <div className="min-w-0">
        <div className={message === null ? "" : "flex flex-wrap items-baseline gap-x-2.5"}>
          <Link
            {...itemLink(item, orgId)}
            {...rowLinkProps}
            className="line-clamp-2 leading-6 font-medium wrap-anywhere hover:text-accent-ink hover:underline"
          >
            {itemTitle(item)}
          </Link>
          <p className="flex min-w-0 flex-wrap gap-x-1.5 text-[13px] leading-6 text-muted [&_a]:inline-block [&_a]:hover:text-ink [&_a]:hover:underline">
            {isGone ? "No longer needs you" : <Dotted parts={placesOf(item, userId)} />}
          </p>
        </div>
        {message !== null && <p className="line-clamp-3 leading-6 wrap-anywhere">{message}</p>}
      </div>
      {/* Below the text on a phone. */}
      <div
        onClickCapture={props.onHandle}
        className="col-span-2 col-start-2 row-start-2 flex flex-wrap items-center gap-2 md:col-span-1 md:col-start-3 md:row-start-1 md:max-w-96 md:justify-end"
      >
        <ItemActions
          item={item}
          orgId={orgId}
          refusal={refusal}
          isAnswering={isAnswering}
          onAnswering={onAnswering}
        />
        {reasons.map((reason) => (
          <span key={reason} className="basis-full text-[13px] text-muted md:text-right">
            {reason}
          </span>
        ))}
      </div>
      <div className="col-start-3 row-start-1 flex gap-0.5 md:col-start-4">
        <Button
          size="sm"
          variant="ghost"
          icon="clock"
          title="Snooze (s)"
          className="!px-2"
          aria-haspopup="dialog"
          disabledReason={doneReason}
          onClick={props.onSnooze}
        >
          <span className="sr-only">Snooze</span>
        </Button>
        <Button
          size="sm"
          variant="ghost"
          icon="check"
          title="Mark as done (e)"
          className="!px-2"
          disabledReason={doneReason}
          onClick={props.onDismiss}
        >
          <span className="sr-only">Mark as done</span>
        </Button>
      </div>
      {isAnswering && item.type === "task" && (
        <div className="col-span-full md:col-start-2">
          <AnswerField
            item={item}
            orgId={orgId}
            disabledReason={isGone ? "It no longer waits for an answer" : undefined}
            onClose={() => onAnswering(false)}
          />
        </div>
      )}
    </li>
  );
}

/** Parts with a dot between them. */
function Dotted({ parts }: { parts: readonly ReactElement[] }): ReactNode {
  return parts.map((part, index) => (
    <Fragment key={part.key}>
      {index > 0 && <span aria-hidden="true">·</span>}
      <span className="min-w-0 truncate">{part}</span>
    </Fragment>
  ));
}

/** Agent or owner of the task, project, further details and time. */
function placesOf(item: AttentionItem, userId: string | undefined): ReactElement[] {
  const { agent_id, agent_name, project_id, project_name, task_id } = item;
  // A conflict names its agents, and a task its attempt only on its own page.
  const withAgent = item.type !== "conflict" && (task_id === null || item.type === "budget");
  return [
    ...(withAgent && agent_id !== null && agent_name !== null
      ? [
          <Link key="agent" {...paths.agent(agent_id)}>
            <PlainText value={agent_name} />
          </Link>,
        ]
      : []),
    ...(project_id !== null && project_name !== null
      ? [
          <Link key="project" {...paths.project(project_id)}>
            <PlainText value={project_name} />
          </Link>,
        ]
      : []),
    ...(item.type !== "conflict" && item.task_owner_name !== null && item.task_owner_id !== userId
      ? [
          <span key="owner-of-task">
            for <PlainText value={item.task_owner_name} />
          </span>,
        ]
      : []),
    ...detailsOf(item),
  ];
}

function detailsOf(item: AttentionItem): ReactElement[] {
  const since = <RelativeTime key="since" value={item.at} />;
  switch (item.type) {
    case "permission_request":
      return item.task_id === null
        ? [<PlainText key="session" value={item.session_title} />, since]
        : [since];
    case "merge_request":
      return item.requested_by
        ? [
            <span key="by">
              requested by <PlainText value={item.requested_by.name} />
            </span>,
            since,
          ]
        : [since];
    case "budget":
      return item.resets_at === null
        ? [since]
        : [
            <span key="reset">
              resets on <Time value={item.resets_at} dateOnly />
            </span>,
          ];
    case "api_key":
      return [
        <PlainText key="hint" value={item.key_hint} className="font-mono" />,
        <span key="owner">
          {item.is_own ? (
            "your key"
          ) : (
            <>
              owned by <PlainText value={item.owner_name} />
            </>
          )}
        </span>,
      ];
    default:
      return [since];
  }
}
