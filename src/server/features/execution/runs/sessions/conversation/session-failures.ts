/** The failures of a session, as sentences for users. */
import { RequestError } from "@agentclientprotocol/sdk";
import { isRecord } from "../../../../../models/json.js";
import { UnreadableMessagesError } from "../messages/message-reader.js";
import { MAX_MESSAGE_BYTES, MessageTooLargeError } from "../messages/split-messages.js";
import type { Mask } from "../session-updates.js";
import { TranscriptFullError } from "../transcript.js";

/** Time for the program to answer before its first turn. */
export const START_MS = 60_000;
/** Time for the program to end a canceled turn. */
export const CANCEL_MS = 15_000;

export class NotSpokenError extends Error {}
export class DidNotCancelError extends Error {}

/** Returns the cause of an error, which programs put behind the words "Internal error". */
export function saidIn({ message, data }: RequestError): string {
  const details = isRecord(data) ? data["details"] : undefined;
  return typeof details === "string" && details !== "" ? details : message;
}

export const refusalOf = (error: RequestError, mask: Mask): string =>
  `${mask(saidIn(error), 300).replace(/\.$/, "")}.`;

/** Returns why a session failed, as a sentence for users; null if the program is not the cause. */
export function reasonOf(error: unknown, mask: Mask): string | null {
  if (error instanceof NotSpokenError) {
    return `The program did not answer within ${START_MS / 1000} seconds; it may not speak the Agent Client Protocol.`;
  }
  if (error instanceof DidNotCancelError) {
    return `The program did not end the canceled turn within ${CANCEL_MS / 1000} seconds.`;
  }
  if (error instanceof TranscriptFullError)
    return "The session has become too long; start a new one.";
  if (error instanceof RequestError) return `The program refused: ${refusalOf(error, mask)}`;
  if (error instanceof MessageTooLargeError) {
    return `The program sent a message of more than ${MAX_MESSAGE_BYTES / 1024 / 1024} MiB.`;
  }
  if (error instanceof UnreadableMessagesError)
    return "The program sent messages that took too much time or memory to read; start a new session.";
  // The streams of a program that has ended fail in several ways.
  const hasEnded = error instanceof Error && /closed?|ended|aborted|EPIPE/i.test(error.message);
  return error === undefined || hasEnded ? "The program ended the connection." : null;
}
