import type { ProtectionChange } from "#shared/api/code/protection-changes.js";
import { ApiError, client } from "../../../../api/client.js";

type Proposal = Parameters<typeof client.protectionChanges.propose>[0]["body"];

/** Saves a change of protection, or proposes it if it needs approvals. */
export async function saveOrPropose<Data>(
  save: () => Promise<{ data: Data; status: number }>,
  projectId: string,
  body: Proposal,
  headers: Record<string, string>,
): Promise<{ data: Data | ProtectionChange; status: number }> {
  try {
    return await save();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== "protection_change_needs_approval") {
      throw error;
    }
    const key = `${headers["idempotency-key"]}-proposal`;
    return client.protectionChanges.propose(
      { params: { project_id: projectId }, body },
      { headers: { "idempotency-key": key } },
    );
  }
}

/** Returns the message after a save: the given one, or how many people have to approve. */
export function messageAfter(data: object, saved: string): string {
  if (!isPending(data)) return saved;
  const count = data.required_approvals;
  return `Proposed: ${count === 1 ? "another person" : `${count} other people`} must approve`;
}

export function isPending(data: object): data is ProtectionChange {
  return "proposed_by" in data && "status" in data && data.status === "pending";
}
