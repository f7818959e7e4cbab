import type { NotificationData } from "./notification.js";

interface Described {
  /** A sentence without its full stop. */
  text: string;
  /** Null without a page. */
  path: string | null;
}

interface Subject {
  org_id: string | null;
  type: string;
  data: NotificationData;
}

/**
 * Describes a notification.
 * @param quote makes names that users and agents have chosen safe where the text is shown
 */
export function describeNotification(
  { org_id, type, data }: Subject,
  quote: (name: string) => string,
): Described {
  const {
    run,
    session,
    conflict,
    merge_request: merge,
    limit,
    api_key: key,
    automation,
    subject,
  } = data;
  const id = subject?.id ?? "";
  if (run) {
    const isBuild = run.agent_id === undefined;
    const whose = isBuild ? "the environment" : `agent ${quote(run.agent_name ?? "")}`;
    const path = isBuild
      ? `/projects/${run.project_id}/builds/${id}`
      : `/agents/${run.agent_id}/runs/${id}`;
    return { text: `${isBuild ? "A build" : "A run"} of ${whose} ${endOf(type, run)}`, path };
  }
  if (session) {
    const whose = `agent ${quote(session.agent_name ?? "")}`;
    const title = session.title ? `: ${quote(session.title)}` : "";
    return {
      text: `A session with ${whose} waits for a decision about a permission${title}`,
      path: `/agents/${session.agent_id}/sessions/${id}`,
    };
  }
  if (conflict) {
    return {
      text: `The work of agent ${quote(conflict.agent_name ?? "")} will conflict with other work`,
      path: `/agents/${conflict.agent_id}/conflicts`,
    };
  }
  if (merge) {
    const name = `The merge ${quote(subject?.name ?? "")} of agent ${quote(merge.agent_name ?? "")}`;
    const reason = merge.reason ? `: ${quote(merge.reason)}` : "";
    return {
      text:
        type === "merge_request.rejected"
          ? `${name} was rejected${reason}`
          : `${name} waits for an approval`,
      path: `/projects/${merge.project_id}/merge-requests/${id}`,
    };
  }
  if (limit) {
    const whose = `${limit.owner} ${quote(subject?.name ?? "")}`;
    const share = limit.percent >= 100 ? "All" : `${limit.percent} %`;
    const left = `${numberText(limit.used)} of ${numberText(limit.limit)}`;
    const paths = {
      organization: `/organizations/${org_id}/settings?tab=resources`,
      project: `/projects/${id}/settings`,
      agent: `/agents/${id}/settings`,
    };
    return {
      text: `${share} of the ${limitNames[limit.name] ?? "limit"} of ${whose} ${limit.percent >= 100 ? "is used up" : "is used"}: ${left}`,
      path: paths[limit.owner],
    };
  }
  if (automation) {
    const reason = automation.reason === null ? "" : `: ${quote(automation.reason)}`;
    return {
      text: `The automation ${quote(subject?.name ?? "")} was paused${reason}`,
      path: `/projects/${automation.project_id}/automations/${id}`,
    };
  }
  if (type === "api_key.expiring" && key) {
    const time = `${key.expires_at.slice(0, 16).replace("T", ", ")} UTC`;
    return {
      text: `${key.is_own ? "Your" : "The"} API key ${quote(subject?.name ?? "")} expires on ${time}`,
      path: key.is_own
        ? `/settings/api-keys/${id}`
        : `/organizations/${org_id}/settings?tab=members`,
    };
  }
  return { text: "A test of your webhook", path: "/settings/notifications" };
}

const limitNames: Record<string, string> = {
  runtime_hours: "monthly run hours",
  concurrent_agents: "concurrent agents",
  model_cost: "monthly model budget in US dollars",
  model_tokens: "monthly model tokens",
};

function endOf(type: string, { exit_code }: NonNullable<NotificationData["run"]>): string {
  if (type === "run.timed_out") return "reached its timeout";
  if (type === "run.lost") return "was lost with its server";
  if (type === "run.quota_exceeded") return "was ended at a quota";
  return exit_code === null ? "failed" : `failed with exit code ${exit_code}`;
}

function numberText(value: number): string {
  return String(Math.round(value * 100) / 100);
}
