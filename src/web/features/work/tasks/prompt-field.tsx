import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactElement, type ReactNode, useEffect, useId, useRef } from "react";
import type { Attempt, Task } from "#shared/api/work/tasks.js";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { taskListsKey, taskQuery } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { usePersistedState } from "../../../hooks/use-persisted-state.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { controlClass } from "../../../ui/fields/field.js";
import { promptFieldId } from "./prompt-field-id.js";

interface PromptFieldProps {
  task: Task;
  attempt: Attempt;
  /** What the agent does now. */
  status: ReactNode;
  /** Whether the agent asked a question. */
  isQuestion: boolean;
  /** Called when a prompt is sent. Returns what is called if it could not be. */
  onSend: ((text: string) => () => void) | undefined;
}

const isText = (stored: unknown): boolean => typeof stored === "string";
const longestBytes = 64 * 1024;

/** The field for an answer or the next prompt of an attempt. A draft survives a reload. */
export function PromptField({
  task,
  attempt,
  status,
  isQuestion,
  onSend,
}: PromptFieldProps): ReactElement {
  const queries = useQueryClient();
  const hint = useId();
  const [draft, setDraft] = usePersistedState("session", `prompt ${attempt.id}`, "", isText);
  const written = useRef(draft);
  useEffect(() => {
    written.current = draft;
  }, [draft]);
  const send = useApiMutation({
    run: async (text: string, headers) => {
      const takeBack = onSend?.(text);
      setDraft("");
      try {
        return await client.tasks.prompt(
          { params: { task_id: task.id }, body: { text, attempt_id: attempt.id } },
          { headers },
        );
      } catch (error) {
        takeBack?.();
        // The viewer may have written on meanwhile.
        setDraft([text, written.current].filter((part) => part !== "").join("\n"));
        throw error;
      }
    },
    refresh: [agentsKey, taskListsKey],
    onDone: (changed) => queries.setQueryData(taskQuery(task.id).queryKey, changed),
  });
  const { allowed, reason } = task.actions.prompt;
  // Without a choice the task takes no prompt, but each of its attempts does.
  const isOneOfMany =
    task.chosen_attempt_id === null && task.attempts.length > 1 && task.actions.cancel.allowed;
  if (!allowed && !(isOneOfMany && attempt.status !== "archived")) {
    return (
      <div className="flex flex-wrap gap-x-4 gap-y-1 text-[13px] text-muted">
        <span>{status}</span>
        {reason !== null && <span>{reason}</span>}
      </div>
    );
  }
  const isTooLong = new TextEncoder().encode(draft).length > longestBytes;
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    const text = draft.trim();
    if (text !== "" && !isTooLong && !send.pending) send.submit(text);
  };
  const isReview = task.status === "in_review";
  return (
    <form aria-label="Prompt" onSubmit={submit} className="flex flex-col gap-2">
      {send.error && <Alert live>{send.error.message}</Alert>}
      {isTooLong && <Alert tone="warn">A prompt has at most 64 KiB.</Alert>}
      <div className="flex items-end gap-2">
        <label htmlFor={promptFieldId} className="sr-only">
          {isQuestion ? "Answer" : "Prompt"}
        </label>
        <textarea
          id={promptFieldId}
          aria-describedby={hint}
          value={draft}
          rows={1}
          placeholder={
            isQuestion
              ? "Answer…"
              : isReview
                ? "What should be different?"
                : attempt.status === "working"
                  ? "Write the next prompt; it waits for this turn"
                  : "Write to the agent"
          }
          onChange={({ target }) => setDraft(target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
            const isForced = event.metaKey || event.ctrlKey;
            if (!isForced && (event.shiftKey || matchMedia("(pointer: coarse)").matches)) return;
            event.preventDefault();
            submit();
          }}
          className={`${controlClass} field-sizing-content max-h-48 min-h-9 resize-none py-[7px]`}
        />
        <Button
          type="submit"
          variant={isQuestion ? "primary" : "secondary"}
          icon="send"
          className="shrink-0"
          pending={send.pending}
          disabledReason={draft.trim() === "" ? "Write something first" : undefined}
        >
          {isQuestion ? "Answer" : "Send"}
        </Button>
      </div>
      <output id={hint} aria-live="polite" className="text-[13px] text-muted empty:hidden">
        {status}
      </output>
    </form>
  );
}
