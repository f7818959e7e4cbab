import { type FormEvent, type ReactElement, type ReactNode, useEffect, useId, useRef } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { useMedia } from "../../../../hooks/use-media.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { controlClass } from "../../../../ui/fields/field.js";
import { Choices } from "./choices.js";
import { isBusy } from "./session-status.js";

interface ComposerProps {
  session: Session;
  /** Why the viewer may not write to the agent. */
  disabledReason: string | undefined;
  /** What the agent does now. */
  status: ReactNode;
  /** Called when a prompt is sent. Returns what is called if it could not be. */
  onSend: (text: string) => () => void;
}

const isText = (stored: unknown): boolean => typeof stored === "string";
const longest = 16 * 1024;

/** The field for the next prompt, with the choices that the agent offers. A draft survives a reload. */
export function Composer({ session, disabledReason, status, onSend }: ComposerProps): ReactElement {
  const params = { session_id: session.id };
  const label = useId();
  const isNarrow = useMedia("(max-width: 40rem)");
  const [draft, setDraft] = usePersistedState("session", `prompt ${session.id}`, "", isText);
  const written = useRef(draft);
  useEffect(() => {
    written.current = draft;
  }, [draft]);
  const send = useApiMutation({
    run: async (text: string, headers) => {
      const takeBack = onSend(text);
      setDraft("");
      try {
        return await client.agentSessions.prompt({ params, body: { text } }, { headers });
      } catch (error) {
        takeBack();
        // The viewer may have written on meanwhile.
        setDraft([text, written.current].filter((part) => part !== "").join("\n"));
        throw error;
      }
    },
    refresh: [agentsKey],
  });
  const cancel = useApiMutation({
    run: (_: undefined, headers) => client.agentSessions.cancel({ params }, { headers }),
    refresh: [agentsKey],
    toastErrors: true,
  });
  const isInTurn = isBusy(session);
  const isTooLong = new TextEncoder().encode(draft).length > longest;
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    const text = draft.trim();
    if (text === "" || isTooLong || disabledReason !== undefined || send.pending) return;
    send.submit(text);
  };
  return (
    <form
      onSubmit={submit}
      data-bottom-bar=""
      className="sticky bottom-0 z-20 flex flex-col gap-2 rounded-t-lg border border-line bg-surface px-3 pt-2.5 pb-3 shadow-floating print:hidden"
    >
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
        <output aria-live="polite" className="min-w-0 text-[13px] text-muted">
          {status}
        </output>
        {isInTurn && (
          <Button
            size="sm"
            icon="stop"
            pending={cancel.pending}
            disabledReason={disabledReason}
            onClick={() => cancel.submit(undefined)}
          >
            Cancel turn
          </Button>
        )}
      </div>
      {send.error && <Alert live>{send.error.message}</Alert>}
      {isTooLong && <Alert tone="warn">A prompt has at most 16 KiB.</Alert>}
      <label htmlFor={label} className="sr-only">
        Prompt
      </label>
      <textarea
        id={label}
        value={draft}
        rows={Math.min(8, Math.max(isNarrow ? 1 : 2, draft.split("\n").length))}
        placeholder={
          isInTurn ? "Write the next prompt; it waits for this turn" : "Write to the agent"
        }
        {...(disabledReason === undefined ? {} : { disabled: true, title: disabledReason })}
        onChange={({ target }) => setDraft(target.value)}
        onKeyDown={(event) => {
          const isSend = event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing;
          if (isSend && !matchMedia("(pointer: coarse)").matches) {
            event.preventDefault();
            submit();
          }
        }}
        className={`${controlClass} resize-none py-2`}
      />
      <div className="flex items-center justify-between gap-2">
        <Choices session={session} disabledReason={disabledReason} />
        <Button
          type="submit"
          variant="primary"
          icon="send"
          className="ml-auto shrink-0"
          pending={send.pending}
          disabledReason={
            disabledReason ?? (draft.trim() === "" ? "Write a prompt first" : undefined)
          }
        >
          Send
        </Button>
      </div>
    </form>
  );
}
