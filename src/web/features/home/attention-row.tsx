import { Link } from "@tanstack/react-router";
import { Fragment, type ReactElement, type ReactNode } from "react";
import type { AttentionItem } from "#shared/api/organizations/overview.js";
import type { DenyReason } from "../../access/permissions.js";
import { paths } from "../../paths/paths.js";
import { Button } from "../../ui/actions/button.js";
import { Icon, type IconName } from "../../ui/actions/icons.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { RelativeTime } from "../../ui/text/time.js";
import { Time } from "../../ui/text/time.js";
import { ItemActions } from "./item-actions.js";
import { itemLink, itemTitle } from "./item-title.js";
import { rowClass } from "./section.js";
import { rowLinkProps, rowProps } from "./use-row-keys.js";

interface AttentionRowProps {
  item: AttentionItem;
  orgId: string;
  refusal: DenyReason;
  /** Why nothing can be marked as done. */
  doneReason: string | undefined;
  onDismiss: () => void;
}

const looks: Record<AttentionItem["type"], readonly [IconName, string, string]> = {
  permission_request: ["lock", "bg-accent-soft text-accent-ink", "Permission"],
  failed_run: ["warning", "bg-bad-soft text-bad", "Failed run"],
  conflict: ["branch", "bg-warn-soft text-warn", "Conflict"],
  merge_request: ["merge", "bg-accent-soft text-accent-ink", "Merge to approve"],
  budget: ["meter", "bg-warn-soft text-warn", "Budget"],
  api_key: ["key", "bg-warn-soft text-warn", "API key"],
};

/** One thing that waits: what it is, where, since when, and its action in place. */
export function AttentionRow(props: AttentionRowProps): ReactElement {
  const { item, orgId, refusal, doneReason, onDismiss } = props;
  const [icon, color, kind] = looks[item.type];
  return (
    <li
      {...rowProps(item.key)}
      className={`grid grid-cols-[auto_minmax(0,1fr)_auto] items-start gap-x-3 gap-y-2 md:grid-cols-[auto_minmax(0,1fr)_auto_auto] ${rowClass}`}
    >
      <span
        title={kind}
        className={`mt-0.5 grid size-7 shrink-0 place-items-center rounded-md ${color}`}
      >
        <Icon name={icon} />
        <span className="sr-only">{kind}:</span>
      </span>
      <div className="min-w-0">
        <Link
          {...itemLink(item, orgId)}
          {...rowLinkProps}
          className="line-clamp-2 leading-6 font-medium hover:text-accent-ink hover:underline"
        >
          {itemTitle(item)}
        </Link>
        <p className="flex flex-wrap gap-x-1.5 text-[13px] leading-6 text-muted [&_a]:inline-block [&_a]:hover:text-ink [&_a]:hover:underline">
          <Dotted parts={placesOf(item)} />
        </p>
      </div>
      {/* Below the text on a phone. */}
      <div className="col-span-2 col-start-2 row-start-2 flex flex-wrap items-center gap-2 md:col-span-1 md:col-start-3 md:row-start-1 md:max-w-96 md:justify-end">
        <ItemActions item={item} orgId={orgId} refusal={refusal} />
      </div>
      <Button
        size="sm"
        variant="ghost"
        icon="check"
        title="Mark as done (e)"
        className="col-start-3 row-start-1 md:col-start-4"
        disabledReason={doneReason}
        onClick={onDismiss}
      >
        <span className="sr-only">Mark as done</span>
      </Button>
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

/** Agent, project, further details and time. */
function placesOf(item: AttentionItem): ReactElement[] {
  const { agent_id, agent_name, project_id, project_name } = item;
  return [
    ...(agent_id !== null && agent_name !== null
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
    ...detailsOf(item),
  ];
}

function detailsOf(item: AttentionItem): ReactElement[] {
  const since = <RelativeTime key="since" value={item.at} />;
  switch (item.type) {
    case "permission_request":
      return [<PlainText key="session" value={item.session_title} />, since];
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
