import type { ReactElement } from "react";
import type { Side } from "#shared/api/work/reviews.js";
import { useReviewScope } from "../review-scope.js";
import { PendingCard } from "./pending-card.js";
import { lineKey, type Talk } from "./talk.js";
import { ThreadCard } from "./thread-card.js";

/** What is said at a line of a file. */
export function LineTalk({
  path,
  side,
  line,
}: {
  path: string;
  side: Side;
  line: number;
}): ReactElement | null {
  const talk = useReviewScope().talk.get(path)?.lines.get(lineKey(side, line));
  return talk ? (
    <div className="border-y border-line bg-sunken px-3 py-2.5 font-sans text-sm">
      <TalkList talk={talk} />
    </div>
  ) : null;
}

export function TalkList({
  talk,
  withPlace = false,
}: {
  talk: Talk;
  withPlace?: boolean;
}): ReactElement {
  return (
    <div className="flex max-w-3xl min-w-0 flex-col gap-2.5">
      {talk.threads.map((thread) => (
        <ThreadCard key={thread.id} thread={thread} withPlace={withPlace} />
      ))}
      {talk.pending.map((comment) => (
        <PendingCard key={comment.key} comment={comment} />
      ))}
    </div>
  );
}
