import { Link } from "@tanstack/react-router";
import { memo, type ReactElement, type ReactNode, useMemo, useState } from "react";
import { readReviewPrompt, type ReviewPrompt } from "#shared/work/review-prompt.js";
import { PermissionAnswers } from "../permission-answers.js";
import { paths } from "../../../../../paths/paths.js";
import { Icon } from "../../../../../ui/actions/icons.js";
import { Markdown } from "../../../../../ui/text/markdown.js";
import { countOf } from "../../../../../ui/text/number.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../../ui/text/time.js";
import type { Entry } from "./entries.js";
import { ToolCall } from "./tool-call.js";

interface EntryViewProps {
  entry: Entry;
  sessionId: string;
  /** Requests for permissions that wait. */
  waiting: ReadonlySet<string>;
  /** Tool calls that they are about, oldest first. */
  asked: readonly string[];
  /** Whether its text may still grow. */
  isGrowing: boolean;
  /** Whether a turn is in progress. */
  isLive: boolean;
  /** Why the viewer may not answer. */
  disabledReason: string | undefined;
}

/** One entry of a transcript. */
export const EntryView = memo(function EntryView(props: EntryViewProps): ReactElement {
  const { entry } = props;
  switch (entry.type) {
    case "prompt":
      return <Prompt entry={entry} />;
    case "message":
      return (
        <div className="min-w-0">
          <Markdown text={entry.text} isGrowing={props.isGrowing} />
        </div>
      );
    case "thought":
      return <Thought text={entry.text} />;
    case "tool":
      return (
        <ToolCall
          tool={entry}
          isAsked={props.asked.includes(entry.id)}
          isNewest={props.asked.at(-1) === entry.id}
          isLive={props.isLive}
        />
      );
    case "permission":
      return <Permission {...props} entry={entry} />;
    default:
      return (
        <p
          className={`flex items-start gap-2 text-[13px] ${entry.isBad ? "text-bad" : "text-muted"}`}
        >
          <Icon name={entry.isBad ? "warning" : "info"} className="mt-0.5 shrink-0" />
          <PlainText value={entry.text} />
        </p>
      );
  }
});

function Prompt({ entry }: { entry: Extract<Entry, { type: "prompt" }> }): ReactElement {
  const review = useMemo(() => readReviewPrompt(entry.text), [entry.text]);
  return (
    <div className="flex flex-col gap-1 self-end rounded-lg bg-accent-soft px-3.5 py-2.5 sm:max-w-[85%]">
      <p className="flex flex-wrap items-baseline gap-x-2 text-[13px] text-muted">
        <span className="font-medium text-ink">
          <PlainText value={entry.by.name} />
        </span>
        <RelativeTime value={entry.at} />
      </p>
      {review ? (
        <Review review={review} text={entry.text} />
      ) : (
        <PlainText value={entry.text} multiline />
      )}
    </div>
  );
}

/** A request for changes; what the agent was sent, with the code around each comment, is folded. */
function Review({ review, text }: { review: ReviewPrompt; text: string }): ReactElement {
  const { body, comments, taskId } = review;
  const title = comments === 0 ? "Review" : `Review: ${countOf(comments, "comment")}`;
  return (
    <>
      <p className="font-medium">
        {taskId === null ? (
          title
        ) : (
          <Link
            {...paths.task(taskId)}
            search={{ part: "changes" }}
            className="text-accent-ink hover:underline"
          >
            {title}
          </Link>
        )}
      </p>
      {body !== "" && <PlainText value={body} multiline />}
      <Folded title="Prompt">
        <PlainText value={text} multiline />
      </Folded>
    </>
  );
}

/** A thought, which is drawn once it is opened. */
function Thought({ text }: { text: string }): ReactElement {
  return (
    <Folded title="Thought">
      <PlainText value={text} multiline />
    </Folded>
  );
}

function Folded({ title, children }: { title: string; children: ReactNode }): ReactElement {
  const [isOpen, setOpen] = useState(false);
  return (
    <details className="text-muted" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary className="flex gap-x-1.5 text-[13px] before:content-['▸'] in-open:before:content-['▾']">
        {title}
      </summary>
      {isOpen && <div className="mt-1 border-l-2 border-line pl-3 text-[13px]">{children}</div>}
    </details>
  );
}

const answers: Record<string, string> = {
  allow_once: "Allowed",
  allow_always: "Always allowed",
  reject_once: "Denied",
  reject_always: "Always denied",
};

function Permission({
  entry: { request, answer },
  sessionId,
  waiting,
  disabledReason,
}: EntryViewProps & { entry: Extract<Entry, { type: "permission" }> }): ReactElement {
  const isWaiting = answer === undefined && waiting.has(request.request_id);
  if (isWaiting) {
    return (
      <section
        aria-label="Permission request"
        className="flex flex-col gap-2.5 rounded-md border border-warn bg-warn-soft px-3.5 py-3"
      >
        <p>
          <span className="font-medium">The agent asks for your permission: </span>
          <PlainText value={request.title} className="font-mono text-[13px]" />
        </p>
        <PermissionAnswers
          sessionId={sessionId}
          request={request}
          disabledReason={disabledReason}
        />
      </section>
    );
  }
  const verb = answer?.option == null ? "Not answered" : (answers[answer.option] ?? "Answered");
  return (
    <p className="flex items-start gap-2 text-[13px] text-muted">
      <Icon name="lock" className="mt-0.5 shrink-0" />
      <span>
        {verb}
        {answer?.by != null && (
          <>
            {" "}
            by <PlainText value={answer.by} />
          </>
        )}
        : <PlainText value={request.title} className="font-mono" />
      </span>
    </p>
  );
}
