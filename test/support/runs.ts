import { setTimeout as pause } from "node:timers/promises";
import type { LogEntry, Run } from "#shared/api/agents/runs.js";
import type { TestApp, TestPerson } from "./app.js";

export const shell = (script: string): string[] => ["/bin/sh", "-c", script];

/** Waits for the end of a run. */
export async function untilEnded(person: Pick<TestPerson, "api">, runId: string): Promise<Run> {
  return untilRun(person, runId, (run) => run.ended_at !== null);
}

export async function untilRun(
  person: Pick<TestPerson, "api">,
  runId: string,
  isThere: (run: Run) => boolean,
): Promise<Run> {
  for (;;) {
    const { data } = await person.api.runs.get({ params: { run_id: runId } });
    if (isThere(data)) return data;
    await pause(20);
  }
}

export interface Followed {
  events: (LogEntry & { id: string })[];
  /** The run, if the stream reported its end. */
  end: Run | null;
}

/**
 * Follows a run's log by Server-Sent Events until its end, or until `stop` returns true.
 * @param lastEventId the position of an earlier stream
 */
export async function followLog(
  app: Pick<TestApp, "url">,
  person: Pick<TestPerson, "token">,
  runId: string,
  options: {
    lastEventId?: string;
    stop?: (events: Followed["events"]) => boolean;
    /** Called once the stream is open. */
    onOpen?: () => void;
  } = {},
): Promise<Followed> {
  const aborter = new AbortController();
  const response = await fetch(`${app.url}/api/v1/runs/${runId}/logs`, {
    headers: {
      accept: "text/event-stream",
      authorization: `Bearer ${person.token}`,
      ...(options.lastEventId === undefined ? {} : { "last-event-id": options.lastEventId }),
    },
    signal: aborter.signal,
  });
  if (response.status !== 200 || !response.body) throw new Error(`logs: ${response.status}`);
  options.onOpen?.();
  const events: Followed["events"] = [];
  let end: Run | null = null;
  let rest = "";
  try {
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      rest += text;
      for (;;) {
        const at = rest.indexOf("\n\n");
        if (at === -1) break;
        const fields = Object.fromEntries(
          rest
            .slice(0, at)
            .split("\n")
            .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
        ) as Record<string, string>;
        rest = rest.slice(at + 2);
        const data = fields["data"];
        if (data === undefined) continue;
        if (fields["event"] === "end") end = JSON.parse(data) as Run;
        else events.push({ ...(JSON.parse(data) as LogEntry), id: fields["id"] as string });
      }
      if (options.stop?.(events)) break;
    }
  } finally {
    aborter.abort();
  }
  return { events, end };
}
