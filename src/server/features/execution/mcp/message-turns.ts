import { fairSlots } from "#shared/node/fair-slots.js";
import { AppError } from "../../../errors.js";

/** Messages in work at once, until a tool makes its call. */
const SLOTS = 4;
/** Maximum number of an owner's messages that wait or are in work; a waiting one holds its body in memory. */
export const MAX_MESSAGES = 200;
/**
 * Milliseconds after a list of tools in which no other message of its owner begins. A list is 200 kB: an owner that asks
 * for the next one as soon as it has one would keep the server busy with sending.
 */
const LIST_PAUSE_MS = 25;

/** Ends the turn of a message; further calls have no effect. */
export type EndTurn = (after?: "a list") => void;

/** Waits for the turn of an owner's message. @throws AppError 429 */
export type TakeTurn = (owner: string) => Promise<EndTurn>;

/**
 * Lets one message of an owner begin at a time: connections that ask as fast as they are answered delay other requests
 * by a few messages, not by one for each connection.
 */
export function messageTurns(): TakeTurn {
  const owners = fairSlots({ slots: Infinity, perOwner: 1 });
  const slots = fairSlots({ slots: SLOTS, perOwner: 1 });
  const counts = new Map<string, number>();
  return async (owner) => {
    const count = counts.get(owner) ?? 0;
    if (count >= MAX_MESSAGES) {
      throw new AppError(
        "rate_limited",
        `${MAX_MESSAGES} messages are already waiting; retry in a second.`,
        { headers: { "retry-after": "1" } },
      );
    }
    counts.set(owner, count + 1);
    const letNext = await owners.take(owner);
    const free = await slots.take(owner);
    let isOver = false;
    return (after) => {
      if (isOver) return;
      isOver = true;
      free();
      const left = (counts.get(owner) ?? 1) - 1;
      if (left === 0) counts.delete(owner);
      else counts.set(owner, left);
      if (after === "a list") setTimeout(letNext, LIST_PAUSE_MS);
      else letNext();
    };
  };
}
