/** The part of automations that events of forges need. */

export interface ForgeEvent {
  /** Fires an automation once, however often it is given. */
  id: string;
  type: string;
  org_id: string;
  project_id: string;
  /** The task that the event belongs to; null without one. */
  task_id: string | null;
  /** Links of the chain of events before this one. */
  chain: number;
  /** Whether all of the text is by people with write access. */
  trust: "trusted" | "untrusted";
  values: Record<string, unknown>;
  by: string | null;
}

export interface FiringResult {
  automation: string;
  decision: "fired" | "queued" | "skipped" | "refused" | "failed";
  reason: string | null;
  task_id: string | null;
}

export interface Automations {
  /** Fires what listens, and returns a result for each automation; nothing if none does. */
  fire(event: ForgeEvent): Promise<FiringResult[]>;
  /** Whether an automation listens to an event, so that an author who may not act gets an answer. */
  listens(event: ForgeEvent): Promise<boolean>;
}
