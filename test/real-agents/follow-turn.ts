import { setTimeout as pause } from "node:timers/promises";
import type { SessionEvent } from "#shared/api/work/sessions.js";
import { eventsOf } from "#test/support/fixtures/session-events.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";

/** Follows a session to the nth end of a turn, and allows what the program asks for. Returns its events. */
export async function followTurn(
  app: TestApp,
  { api, token }: TestPerson,
  sessionId: string,
  count: number,
): Promise<SessionEvent[]> {
  const params = { session_id: sessionId };
  for (;;) {
    const { data: now } = await api.agentSessions.get({ params });
    if (now.status === "failed") throw new Error(now.detail ?? "it failed");
    for (const { request_id, options } of now.permissions) {
      const option = options.find(({ kind }) => kind === "allow_once") ?? options[0];
      const body = { option_id: option?.option_id ?? "" };
      await api.agentSessions.answer({ params: { ...params, request_id }, body });
    }
    const events = await eventsOf(app, { token }, sessionId);
    if (events.filter(({ type }) => type === "turn_end").length >= count) return events;
    await pause(200);
  }
}

/** Returns the messages of a session. */
export function textOf(events: readonly SessionEvent[]): string {
  return events.flatMap((event) => (event.type === "message" ? event.text : [])).join("");
}
