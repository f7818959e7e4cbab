import { type FormEvent, type ReactElement, useEffect, useId, useRef } from "react";
import { client } from "../../../api/client.js";
import { agentsKey } from "../../../api/queries/work/agents.js";
import { overviewKey } from "../../../api/queries/work/overview.js";
import { tasksKey } from "../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { usePersistedState } from "../../../hooks/use-persisted-state.js";
import { Button } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { controlClass } from "../../../ui/fields/field.js";
import type { ItemOf } from "./attention-sections.js";

interface AnswerFieldProps {
  item: ItemOf<"task">;
  orgId: string;
  /** Why no answer can be sent. */
  disabledReason: string | undefined;
  onClose: () => void;
}

const maxBytes = 64 * 1024;
const isText = (stored: unknown): boolean => typeof stored === "string";

/** The field for an answer below a row. A draft survives a reload; the page of the task shows it, too. */
export function AnswerField(props: AnswerFieldProps): ReactElement {
  const { item, orgId, disabledReason, onClose } = props;
  const id = useId();
  const [draft, setDraft] = usePersistedState(
    "session",
    `prompt ${item.attempt_id ?? item.task_id}`,
    "",
    isText,
  );
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const { current } = field;
    current?.focus();
    current?.setSelectionRange(current.value.length, current.value.length);
  }, []);
  const send = useApiMutation({
    run: (text: string, headers) =>
      client.tasks.prompt(
        {
          params: { task_id: item.task_id ?? "" },
          body: { text, ...(item.attempt_id !== null && { attempt_id: item.attempt_id }) },
        },
        { headers },
      ),
    refresh: [tasksKey, agentsKey, overviewKey(orgId)],
    successMessage: () => "Answer sent",
    onDone: () => {
      setDraft("");
      onClose();
    },
  });
  const isTooLong = new TextEncoder().encode(draft).length > maxBytes;
  const reason =
    disabledReason ??
    (draft.trim() === ""
      ? "Write an answer first"
      : isTooLong
        ? "An answer has at most 64 KiB"
        : undefined);
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (reason === undefined) send.submit(draft.trim());
  };
  return (
    <form aria-label="Answer" onSubmit={submit} className="flex flex-col gap-2">
      {send.error && <Alert live>{send.error.message}</Alert>}
      {(disabledReason !== undefined || isTooLong) && <Alert tone="warn">{reason}.</Alert>}
      <label htmlFor={id} className="sr-only">
        Your answer
      </label>
      <div className="flex flex-wrap items-end gap-2 sm:flex-nowrap">
        <textarea
          ref={field}
          id={id}
          value={draft}
          rows={1}
          placeholder="Your answer"
          onChange={({ target }) => setDraft(target.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") {
              event.preventDefault();
              onClose();
              return;
            }
            if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
            const isForced = event.metaKey || event.ctrlKey;
            if (!isForced && (event.shiftKey || matchMedia("(pointer: coarse)").matches)) return;
            event.preventDefault();
            submit();
          }}
          className={`${controlClass} field-sizing-content max-h-48 min-h-9 resize-none py-[7px]`}
        />
        <Button variant="ghost" onClick={onClose}>
          Cancel
        </Button>
        <Button
          type="submit"
          variant="primary"
          icon="send"
          pending={send.pending}
          disabledReason={reason}
        >
          Send answer
        </Button>
      </div>
    </form>
  );
}
