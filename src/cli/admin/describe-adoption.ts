import type { AdoptedProject, AdoptionReport } from "#server/admin/adopt-node.js";

/** Returns the text of a report: the projects that are here now, and what each of them has lost. */
export function describeAdoption(of: string, report: AdoptionReport): string {
  const { backup_created_at: at, projects, missing, failed } = report;
  const count = `${counted(projects.length, "project")} of ${of}`;
  const are = projects.length === 1 ? "is" : "are";
  const lines =
    at === null
      ? [`${count} ${are} stored here now.`]
      : [
          `${count} ${are} stored here now, as in the backup of ${at}.`,
          ...projects.flatMap(describeLosses),
          ...(projects.length > 0 ? ["Restart this server."] : []),
        ];
  const where = at === null ? "folder" : "backup";
  for (const { address } of missing) lines.push(`Not in the ${where}: ${address}`);
  for (const { address, reason } of failed) lines.push(`Not taken over: ${address}: ${reason}`);
  if (failed.length > 0) lines.push("Call the command again to try these once more.");
  return lines.join("\n");
}

/** Returns the warning before projects are set back to a backup of an earlier time. */
export function describeSetBack(of: string, createdAt: string, now: Date): string {
  // The backup may be of a machine whose clock is ahead.
  const ms = Math.max(0, now.getTime() - new Date(createdAt).getTime());
  const hours = Math.floor(ms / 3_600_000);
  const age = hours < 48 ? counted(hours, "hour") : counted(Math.floor(hours / 24), "day");
  return `The projects of ${of} are set back to the backup of ${createdAt}, which is ${age} old. Their later commits and merges are lost, and ${of} can never start again.`;
}

function describeLosses({ address, set_back }: AdoptedProject): string[] {
  if (set_back === null) return [];
  const { workspaces, lost_commits, lost_merges, rejected_requests } = set_back;
  const changes = [
    ...workspaces.map(({ branch, from, to, status_from, status_to, lost }) => {
      const state = status_from === status_to ? "" : ` (${status_from}, now ${status_to})`;
      const moved =
        from === to ? `at ${short(to)}` : `set back from ${short(from)} to ${short(to)}`;
      return `${branch}${state}: ${moved}; ${counted(lost.length, "commit")} lost`;
    }),
    ...lost_merges.map(
      ({ kind, target_branch, merge_commit }) =>
        `lost ${kind} into ${target_branch}: ${short(merge_commit)}`,
    ),
    ...rejected_requests.map(
      ({ source_branch, target_branch }) =>
        `rejected merge of ${source_branch} into ${target_branch}`,
    ),
  ];
  if (changes.length === 0) return [`${address}: nothing recorded is lost`];
  return [
    `${address}: ${counted(lost_commits, "commit")} lost`,
    ...changes.map((line) => `  ${line}`),
  ];
}

const short = (sha: string | null): string => sha?.slice(0, 12) ?? "nothing";
const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? "" : "s"}`;
