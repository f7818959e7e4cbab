import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Review } from "#shared/api/work/reviews.js";
import type { Task } from "#shared/api/work/tasks.js";
import { reviewsQuery } from "../../../api/queries/work/reviews.js";
import { Card } from "../../../ui/layout/card.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { requestStatusName } from "../parts/merge-requests/request-status.js";

interface Entry {
  key: string;
  at: string;
  /** Null for the server. */
  by: string | null;
  what: string;
  /** Text of a person or an agent. */
  text: string;
}

const verdicts: Readonly<Record<Review["verdict"], string>> = {
  approve: "approved",
  request_changes: "requested changes",
  comment: "commented",
};

/** What happened to a merge request and the task behind it, oldest first. */
export function RequestHistory({
  request,
  task,
}: {
  request: MergeRequest;
  task: Task | null;
}): ReactElement {
  const { data: reviews = [] } = useQuery({
    ...reviewsQuery(task?.id ?? ""),
    enabled: task !== null,
  });
  return (
    <Card title="History">
      <ol className="-my-2 divide-y divide-line">
        {entriesOf(request, reviews).map(({ key, at, by, what, text }) => (
          <li key={key} className="flex flex-col gap-0.5 py-2">
            <p className="flex flex-wrap justify-between gap-x-4">
              <span>
                {by !== null && <PlainText value={by} className="font-medium" />} {what}
              </span>
              <span className="text-[13px] text-muted">
                <Time value={at} />
              </span>
            </p>
            {text !== "" && (
              <p className="line-clamp-3 text-muted">
                <PlainText value={text} multiline />
              </p>
            )}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function entriesOf(request: MergeRequest, reviews: readonly Review[]): Entry[] {
  const { requested_by, created_at, ended_at, status, approvals } = request;
  const requested = {
    key: "requested",
    at: created_at,
    by: requested_by?.name ?? null,
    what: requested_by === null ? "The merge was requested" : "requested the merge",
    text: "",
  };
  const entries: Entry[] = [
    requested,
    ...reviews.map(({ id, author, verdict, body, created_at: at, dismissed_at }) => ({
      key: id,
      at,
      by: author.name,
      what: `${verdicts[verdict]}${dismissed_at === null ? "" : ", dismissed by a later change"}`,
      text: body,
    })),
    ...approvals
      .filter(
        ({ by }) =>
          !reviews.some(({ author, verdict }) => verdict === "approve" && author.id === by.id),
      )
      .map(({ by, at }) => ({
        key: `approval ${by.id}`,
        at,
        by: by.name,
        what: "approved the merge",
        text: "",
      })),
  ];
  // The page names the reason above.
  if (ended_at !== null) {
    const what = `The merge is ${requestStatusName(status).toLowerCase()}`;
    entries.push({ key: "ended", at: ended_at, by: null, what, text: "" });
  }
  return entries.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}
