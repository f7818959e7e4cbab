/** A recorded notification. */
export interface StoredNotification {
  id: string;
  org_id: string | null;
  kind: string | null;
  type: string;
  data: NotificationData;
}

/** The parts of an event's data that notifications use; which of them exist depends on the type. */
export interface NotificationData {
  subject?: { type: string; id: string; name: string | null };
  run?: Named & { exit_code: number | null; detail: string | null };
  session?: Named & { title: string | null };
  conflict?: Named;
  merge_request?: Named & { reason: string | null };
  limit?: {
    name: string;
    owner: "organization" | "project" | "agent";
    percent: number;
    used: number;
    limit: number;
  };
  automation?: { project_id: string; reason: string | null };
  api_key?: { expires_at: string; is_own: boolean };
}

interface Named {
  project_id?: string;
  agent_id?: string;
  agent_name?: string;
}
