import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, type ReactNode, type RefObject, useRef } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { attentionNames } from "#shared/work/task-words.js";
import { useDenyReason } from "../../../access/permissions.js";
import { sessionQuery } from "../../../api/queries/work/sessions.js";
import { Waiting } from "../../../components/await.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { SessionStatus } from "../parts/sessions/session-status.js";
import { connectionText } from "../parts/sessions/transcript/connection-text.js";
import { TranscriptView } from "../parts/sessions/transcript/transcript-view.js";
import { useTranscript } from "../parts/sessions/transcript/use-transcript.js";
import { useFollowedEnd } from "../parts/sessions/use-followed-end.js";
import { useSentPrompts } from "../parts/sessions/use-sent-prompts.js";
import { AttemptStatus } from "../parts/tasks/task-status.js";
import { PromptField } from "./prompt-field.js";
import { usePaneHeight } from "./use-pane-height.js";

interface TaskConversationProps {
  task: Task;
  attempt: Attempt;
  /** Whether it scrolls by itself, beside the other half. */
  isPane: boolean;
}

/** The conversation with the agent of an attempt, and the field that answers it. */
export function TaskConversation(props: TaskConversationProps): ReactElement {
  const { session_id: sessionId } = props.attempt;
  return sessionId === null ? (
    <Frame {...props} status={<AttemptStatus status={props.attempt.status} />}>
      <FirstPrompt task={props.task} />
    </Frame>
  ) : (
    <OfSession key={sessionId} {...props} sessionId={sessionId} />
  );
}

function OfSession(props: TaskConversationProps & { sessionId: string }): ReactElement {
  const session = useQuery(sessionQuery(props.sessionId));
  return session.data === undefined ? (
    <Frame {...props}>
      <Waiting query={session} what="The conversation" />
    </Frame>
  ) : (
    <Live {...props} session={session.data} />
  );
}

function Live(props: TaskConversationProps & { session: Session }): ReactElement {
  const { task, session, isPane } = props;
  const followed = useTranscript(session.id);
  const { value: transcript, state, version } = followed;
  const sent = useSentPrompts(transcript, version);
  const pane = useRef<HTMLDivElement>(null);
  const follow = useFollowedEnd(version + sent.waiting.length, isPane ? pane : undefined);
  const disabledReason = useDenyReason(task.organization_id)("agent:run");
  return (
    <Frame
      {...props}
      pane={pane}
      status={
        <>
          <SessionStatus status={session.status} />
          <span className="ml-2 empty:hidden">{connectionText(state)}</span>
          {session.detail !== null && (
            <span className="ml-2">
              <PlainText value={session.detail} />
            </span>
          )}
        </>
      }
      onSend={(text) => {
        follow();
        return sent.add(text);
      }}
    >
      {state === "connecting" && transcript.entries.length === 0 && <FirstPrompt task={task} />}
      <TranscriptView
        session={session}
        followed={followed}
        found={transcript.entries}
        waiting={sent.waiting}
        emptyText="The agent starts…"
        disabledReason={disabledReason}
      />
    </Frame>
  );
}

interface FrameProps extends TaskConversationProps {
  pane?: RefObject<HTMLDivElement | null>;
  status?: ReactNode;
  onSend?: (text: string) => () => void;
  children: ReactNode;
}

function Frame({
  task,
  attempt,
  isPane,
  pane,
  status,
  onSend,
  children,
}: FrameProps): ReactElement {
  const { attention } = task;
  const frame = useRef<HTMLElement>(null);
  usePaneHeight(frame, isPane);
  const isOfThis = attention !== null && (attention.attempt_id ?? attempt.id) === attempt.id;
  return (
    <section
      ref={frame}
      aria-label="Conversation"
      className={
        isPane
          ? "sticky top-18 flex h-[calc(100dvh-15.5rem)] min-w-0 flex-col overflow-hidden rounded-lg border border-line bg-surface"
          : "flex min-w-0 flex-col"
      }
    >
      <div
        ref={pane}
        // A part that scrolls by itself must be reachable by the keyboard.
        {...(isPane && { tabIndex: 0, role: "group", "aria-label": "Messages" })}
        className={`flex min-w-0 flex-col gap-4 ${isPane ? "min-h-0 flex-1 overflow-y-auto p-4 -outline-offset-2" : "pb-4"}`}
      >
        {children}
        {attempt.detail !== null && attempt.detail !== attention?.summary && (
          <Alert tone={attempt.status === "failed" ? "bad" : "info"}>
            <PlainText value={attempt.detail} multiline />
          </Alert>
        )}
      </div>
      <div
        className={`flex flex-col gap-2.5 ${isPane ? "border-t border-line px-4 py-3" : "border-t border-line pt-3"}`}
      >
        {isOfThis && attention.kind !== "review" && attention.kind !== "permission" && (
          <Attention task={task} attention={attention} agentId={attempt.agent_id} />
        )}
        <PromptField
          task={task}
          attempt={attempt}
          status={status}
          isQuestion={isOfThis && attention.kind === "question"}
          onSend={onSend}
        />
      </div>
    </section>
  );
}

/** The question, or another reason why the agent cannot go on by itself. */
function Attention({
  task,
  attention,
  agentId,
}: {
  task: Task;
  attention: NonNullable<Task["attention"]>;
  agentId: string;
}): ReactElement {
  const { kind, summary, since } = attention;
  const link =
    kind === "conflict"
      ? { label: "Resolve conflicts", path: paths.newMerge(agentId) }
      : kind === "missing_key"
        ? { label: "Add the key in the settings", path: paths.projectSettings(task.project_id) }
        : kind === "budget"
          ? {
              label: "Change the budget",
              path: paths.organizationSettings(task.organization_id, { tab: "billing" }),
            }
          : undefined;
  return (
    <section
      aria-label="Needs you"
      className="flex flex-col gap-0.5 rounded-md border border-warn bg-warn-soft px-3.5 py-2.5"
    >
      <p className="flex flex-wrap justify-between gap-x-3 text-[13px] text-muted">
        <span className="font-medium text-ink">
          {kind === "question" ? "The agent asks" : attentionNames[kind]}
        </span>
        <RelativeTime value={since} />
      </p>
      <p className="wrap-anywhere">
        <PlainText value={summary} />
      </p>
      {link && (
        <Link {...link.path} className="w-fit text-accent-ink underline">
          {link.label}
        </Link>
      )}
    </section>
  );
}

/** The text of the task, before the agent has it. */
function FirstPrompt({ task }: { task: Task }): ReactElement {
  return (
    <div className="flex flex-col gap-1 self-end rounded-lg bg-accent-soft px-3.5 py-2.5 sm:max-w-[85%]">
      <p className="text-[13px] font-medium">
        <PlainText value={task.created_by.name} />
      </p>
      <PlainText value={task.body} multiline />
    </div>
  );
}
