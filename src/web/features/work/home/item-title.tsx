import { Link } from "@tanstack/react-router";
import { Fragment, type ReactNode } from "react";
import type { AttentionItem } from "#shared/api/work/overview.js";
import { workTitle } from "../parts/board/work-title.js";
import { costText } from "../../organization/parts/usage/model-figures.js";
import { paths } from "../../../paths/paths.js";
import { formatHours, formatNumber } from "../../../ui/text/number.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import type { ItemOf } from "./attention-sections.js";
import { TaskMessage } from "./task-message.js";
import { TaskName } from "./task-name.js";

/** The page that shows an item: of its task, if it has one. */
export function itemLink(item: AttentionItem, orgId: string) {
  if (item.type === "conflict") return conflictLink(item);
  if (item.type === "budget") return budgetLink(item, orgId);
  if (item.task_id !== null) return paths.task(item.task_id);
  switch (item.type) {
    case "task":
      return paths.home();
    case "permission_request":
      return paths.session(item.agent_id ?? "", item.session_id);
    case "failed_run":
      return item.session_id === null
        ? paths.run(item.agent_id ?? "", item.run_id)
        : paths.session(item.agent_id ?? "", item.session_id);
    case "merge_request":
      return paths.mergeRequest(item.project_id ?? "", item.merge_request_id);
    case "api_key":
      return item.is_own
        ? paths.apiKey(item.key_id)
        : paths.organizationSettings(orgId, { tab: "members" });
  }
}

/** Where the versions of a file are compared: with other agents, or with the base branch alone. */
export function conflictLink({ agent_id, agents }: ItemOf<"conflict">) {
  return agents.length === 1
    ? paths.newMerge(agent_id ?? "")
    : paths.agentConflicts(agent_id ?? "");
}

/** The page where a budget or quota is raised. */
export function budgetLink(
  { agent_id, project_id }: Pick<AttentionItem, "agent_id" | "project_id">,
  orgId: string,
) {
  if (agent_id !== null) return paths.agentSettings(agent_id);
  if (project_id !== null) return paths.projectSettings(project_id);
  return paths.organizationSettings(orgId, { tab: "resources" });
}

/** The name of an item's task or file, or the item as a sentence. */
export function itemTitle(item: AttentionItem): ReactNode {
  if (item.type === "conflict") {
    return <PlainText value={item.path} className="font-mono text-[13px]" />;
  }
  if (item.type !== "budget" && item.task_number !== null) {
    return <TaskName number={item.task_number} title={item.task_title ?? ""} />;
  }
  return item.type === "task" ? null : sentenceOf(item);
}

/** What an item says below the name of its task or file; null if its title says everything. */
export function itemMessage(item: AttentionItem): ReactNode {
  if (item.type === "task") return <TaskMessage item={item} />;
  if (item.type === "conflict") return <ChangedBy item={item} />;
  return item.type === "budget" || item.task_number === null ? null : sentenceOf(item);
}

function sentenceOf(item: Exclude<AttentionItem, ItemOf<"task"> | ItemOf<"conflict">>): ReactNode {
  switch (item.type) {
    case "permission_request":
      return (
        <>
          Asks for permission: <PlainText value={item.request.title} />
        </>
      );
    case "failed_run":
      return (
        <>
          {endOf(item)}: <PlainText value={workTitle(item)} className="font-normal text-muted" />
        </>
      );
    case "merge_request":
      return (
        <>
          {item.kind === "merge" ? "Merge" : item.kind === "revert" ? "Revert" : "Restore"} of{" "}
          <PlainText value={item.source_branch} /> into <PlainText value={item.target_branch} />{" "}
          waits for an approval
        </>
      );
    case "budget":
      return budgetTitle(item);
    case "api_key":
      return (
        <>
          <PlainText value={item.name} /> expires {inDays(item.expires_at)}
        </>
      );
  }
}

/** "Changed by #9, worker-2 and main", each a link. */
function ChangedBy({ item: { agents, base_branch } }: { item: ItemOf<"conflict"> }): ReactNode {
  const sides: { key: string; name: ReactNode }[] = agents.map((agent) => {
    const { agent_id, agent_name, task_id, task_number, task_title } = agent;
    const link = task_id === null ? paths.agent(agent_id) : paths.task(task_id);
    return {
      key: agent_id,
      name: (
        <Link
          {...link}
          {...(task_title !== null && { title: visible(task_title) })}
          className="font-medium text-accent-ink hover:underline"
        >
          {task_number === null ? <PlainText value={agent_name} /> : `#${task_number}`}
        </Link>
      ),
    };
  });
  if (base_branch !== null) {
    sides.push({ key: "base", name: <PlainText value={base_branch} className="font-medium" /> });
  }
  return (
    <>
      Changed by{" "}
      {sides.map(({ key, name }, at) => (
        <Fragment key={key}>
          {at > 0 && (at === sides.length - 1 ? " and " : ", ")}
          {name}
        </Fragment>
      ))}
    </>
  );
}

const ends: Partial<Record<ItemOf<"failed_run">["status"], string>> = {
  timed_out: "Run timed out",
  lost: "Run lost",
  quota_exceeded: "Run ended by the quota of hours",
};

function endOf({ status, exit_code }: ItemOf<"failed_run">): string {
  const text = ends[status] ?? "Run failed";
  return status === "failed" && exit_code !== null ? `${text} with exit code ${exit_code}` : text;
}

const owners = { organization: "Organization", project: "Project", agent: "Agent" } as const;

function budgetTitle({ kind, owner, used, limit }: ItemOf<"budget">): string {
  const share = `${Math.floor((used / limit) * 100)} %`;
  switch (kind) {
    case "model_cost":
      return `${owners[owner]} has used ${share} of its ${costText(limit)} for models`;
    case "model_tokens":
      return `${owners[owner]} has used ${share} of its ${formatNumber(limit)} model tokens`;
    case "runtime_hours":
      return `${share} of ${formatHours(limit)} of runs are used`;
    case "concurrent_agents":
      return `Runs wait: all ${formatNumber(limit)} places for agents are taken`;
  }
}

function inDays(time: string): string {
  const days = Math.floor((Date.parse(time) - Date.now()) / 86_400_000);
  if (days < 0) return "now";
  return days === 0 ? "within a day" : `in ${days} ${days === 1 ? "day" : "days"}`;
}
