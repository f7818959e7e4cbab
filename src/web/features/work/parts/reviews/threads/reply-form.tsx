import { type FormEvent, type ReactElement, useEffect, useId, useRef } from "react";
import type { Thread } from "#shared/api/work/threads.js";
import { client } from "../../../../../api/client.js";
import { useApiMutation } from "../../../../../api/use-mutation.js";
import { usePersistedState } from "../../../../../hooks/use-persisted-state.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { controlClass } from "../../../../../ui/fields/field.js";
import { newKey } from "../draft/pending-review.js";
import { useReviewScope } from "../review-scope.js";

const isText = (stored: unknown): boolean => typeof stored === "string";

/** A reply: sent at once, or with the review. Its text survives a reload. */
export function ReplyForm({
  thread,
  onSent,
  onClose,
}: {
  thread: Thread;
  onSent: (changed: Thread) => void;
  onClose: () => void;
}): ReactElement {
  const { changeDraft, changes } = useReviewScope();
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = usePersistedState("session", `reply ${thread.id}`, "", isText);
  useEffect(() => field.current?.focus(), []);
  const reply = useApiMutation({
    run: (body: string, headers) =>
      client.threads.reply({ params: { thread_id: thread.id }, body: { body } }, { headers }),
    onDone: (changed) => {
      setText("");
      onSent(changed);
      onClose();
    },
  });
  const isEmpty = text.trim() === "";
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    if (!isEmpty) reply.submit(text.trim());
  };
  const addToReview = (): void => {
    changeDraft((review) => ({
      ...review,
      commitSha: review.commitSha ?? changes.commit_sha,
      comments: [
        ...review.comments,
        {
          key: newKey(),
          threadId: thread.id,
          path: thread.path,
          side: thread.side,
          line: null,
          startLine: null,
          body: text.trim(),
          suggestion: null,
          isOutdated: false,
          isEdited: false,
        },
      ],
    }));
    setText("");
    onClose();
  };
  return (
    <form aria-label="Reply" onSubmit={submit} className="flex flex-col gap-2">
      {reply.error && <Alert live>{reply.error.message}</Alert>}
      <label htmlFor={id} className="sr-only">
        Reply
      </label>
      <textarea
        ref={field}
        id={id}
        value={text}
        rows={2}
        placeholder="Reply"
        onChange={({ target }) => setText(target.value)}
        onKeyDown={(event) => {
          if (event.nativeEvent.isComposing) return;
          if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) submit();
          else if (event.key === "Escape") onClose();
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
        className={`${controlClass} field-sizing-content max-h-80 min-h-16 resize-y py-1.5`}
      />
      <div className="flex flex-wrap justify-end gap-2">
        <Button size="sm" variant="ghost" onClick={onClose}>
          Close
        </Button>
        <Button
          size="sm"
          disabledReason={isEmpty ? "Write a reply first" : undefined}
          onClick={addToReview}
        >
          Add to review
        </Button>
        <Button
          size="sm"
          type="submit"
          variant="primary"
          pending={reply.pending}
          disabledReason={isEmpty ? "Write a reply first" : undefined}
        >
          Reply
        </Button>
      </div>
    </form>
  );
}
