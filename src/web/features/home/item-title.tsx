import type { ReactNode } from "react";
import type { AttentionItem } from "#shared/api/organizations/overview.js";
import { workTitle } from "../../components/agents/work-title.js";
import { costText } from "../../components/usage/model-figures.js";
import { paths } from "../../paths/paths.js";
import { formatHours, formatNumber } from "../../ui/text/number.js";
import { PlainText } from "../../ui/text/plain-text.js";

type ItemOf<Type extends AttentionItem["type"]> = Extract<AttentionItem, { type: Type }>;

/** The page that shows an item. */
export function itemLink(item: AttentionItem, orgId: string) {
  switch (item.type) {
    case "permission_request":
      return paths.session(item.agent_id ?? "", item.session_id);
    case "failed_run":
      return item.session_id === null
        ? paths.run(item.agent_id ?? "", item.run_id)
        : paths.session(item.agent_id ?? "", item.session_id);
    case "conflict":
      return paths.workspace(item.agent_id ?? "");
    case "merge_request":
      return paths.mergeRequest(item.project_id ?? "", item.merge_request_id);
    case "budget":
      return budgetLink(item, orgId);
    case "api_key":
      return item.is_own
        ? paths.apiKey(item.key_id)
        : paths.organizationSettings(orgId, { tab: "members" });
  }
}

/** The page where a budget or quota is raised. */
export function budgetLink({ agent_id, project_id }: ItemOf<"budget">, orgId: string) {
  if (agent_id !== null) return paths.agentSettings(agent_id);
  if (project_id !== null) return paths.projectSettings(project_id);
  return paths.organizationSettings(orgId, { tab: "resources" });
}

/** An item as a sentence. */
export function itemTitle(item: AttentionItem): ReactNode {
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
    case "conflict":
      return <ConflictTitle item={item} />;
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

function ConflictTitle({ item }: { item: ItemOf<"conflict"> }): ReactNode {
  const { other_agent_name, other_branch_name, paths: files, total_conflicts } = item;
  const [first] = files;
  const rest = total_conflicts - 1;
  return (
    <>
      Conflict with <PlainText value={other_agent_name ?? other_branch_name} />
      {first !== undefined && (
        <>
          {" "}
          in <PlainText value={first} className="font-mono text-[13px]" />
        </>
      )}
      {rest > 0 && ` and ${formatNumber(rest)} more`}
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
