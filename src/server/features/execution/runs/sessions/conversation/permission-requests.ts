/** The permissions for which a program asks during a turn, and the answers of people. */
import type { RequestPermissionRequest, RequestPermissionResponse } from "@agentclientprotocol/sdk";
import type { PermissionRequest, Session } from "#shared/api/work/sessions.js";
import { newId } from "../../../../../db/tables/columns.js";
import type { Mask } from "../session-updates.js";
import type { Transcript } from "../transcript.js";
import type { SessionRecord } from "./session-record.js";

/** Requests for permissions at a time; more are refused. */
const MAX_PERMISSIONS = 20;

export interface PermissionDeps {
  record: SessionRecord;
  mask: Mask;
  /** The program's id of the session. */
  programSession: () => string;
}

/**
 * @param mayAsk whether a request would not be canceled at once
 * @param showStatus called when a request or an answer has been recorded
 */
export function createPermissionRequests(
  { record, mask, programSession }: PermissionDeps,
  mayAsk: () => boolean,
  showStatus: () => Promise<void>,
) {
  const open = new Map<
    string,
    { request: PermissionRequest; answer: (optionId: string | null) => void }
  >();
  /** Returns how many requests may follow now. */
  const countFree = (): number => (mayAsk() ? MAX_PERMISSIONS - open.size : 0);

  const answer = (
    requestId: string,
    optionId: string | null,
    by: Session["created_by"] | null,
  ): void => {
    const found = open.get(requestId);
    if (found === undefined) return;
    open.delete(requestId);
    void record.inTurn(async () => {
      const event = { type: "permission_answer", request_id: requestId, option_id: optionId, by };
      await record.add(event as Parameters<Transcript["add"]>[0]);
      await showStatus();
      found.answer(optionId);
    });
  };

  return {
    countFree,
    /** Returns the requests without an answer. */
    list: (): PermissionRequest[] => [...open.values()].map(({ request }) => request),
    ask: async (asked: RequestPermissionRequest): Promise<RequestPermissionResponse> => {
      const refused: RequestPermissionResponse = { outcome: { outcome: "cancelled" } };
      if (countFree() <= 0 || asked.sessionId !== programSession()) return refused;
      const { toolCall, options } = asked;
      const request: PermissionRequest = {
        request_id: newId(),
        tool_call_id: mask(toolCall.toolCallId, 500),
        title: mask(toolCall.title ?? "A tool call", 500),
        options: options.map(({ optionId, name, kind }) => ({
          option_id: mask(optionId, 200),
          name: mask(name, 200),
          kind,
        })),
      };
      // With two of one id, the answer of a person could be taken for another one.
      const ids = new Set(request.options.map(({ option_id }) => option_id));
      if (ids.size < request.options.length) return refused;
      const answered = new Promise<string | null>((resolve) => {
        open.set(request.request_id, { request, answer: resolve });
      });
      await record.inTurn(async () => {
        await record.add({ type: "permission_request", ...request });
        await showStatus();
      });
      const optionId = await answered;
      const option = options.find((option) => mask(option.optionId, 200) === optionId);
      if (option === undefined) return refused;
      return { outcome: { outcome: "selected", optionId: option.optionId } };
    },
    answer,
    cancelAll: (): void => {
      for (const requestId of open.keys()) answer(requestId, null, null);
    },
  };
}
