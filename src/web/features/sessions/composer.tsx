import { type ComponentProps, type FormEvent, type ReactElement, type ReactNode, useId, useRef } from "react";
import type { Session } from "#shared/api/agents/sessions.js";
import { client } from "../../api/client.js";
import { agentsKey } from "../../api/queries/agents.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { usePersistedState } from "../../hooks/use-persisted-state.js";
import { Button } from "../../ui/actions/button.js";
import { Alert } from "../../ui/feedback/alert.js";
import { controlClass } from "../../ui/fields/field.js";
import { Select } from "../../ui/fields/select.js";
import { visible } from "../../ui/text/plain-text.js";

interface ComposerProps {
  session: Session;
  /** Why the viewer may not write to the agent. */
  disabledReason: string | undefined;
  /** What the agent does now. */
  status: ReactNode;
  onSent: (text: string) => void;
}

const isText = (stored: unknown): boolean => typeof stored === "string";
const longest = 16 * 1024;

/** The field for the next prompt, with the choices that the agent offers. A draft survives a reload. */
export function Composer({
  session,
  disabledReason,
  status,
  onSent,
}: ComposerProps): ReactElement {
  const params = { session_id: session.id };
  const label = useId();
  const [draft, setDraft] = usePersistedState("session", `prompt ${session.id}`, "", isText);
  const sent = useRef("");
  const send = useApiMutation({
    run: (text: string, headers) =>
      client.agentSessions.prompt({ params, body: { text } }, { headers }),
    refresh: [agentsKey],
    onDone: () => {
      onSent(sent.current);
      // The viewer may have written on meanwhile.
      if (draft.trim() === sent.current) setDraft("");
    },
  });
  const cancel = useApiMutation({
    run: (_: undefined, headers) => client.agentSessions.cancel({ params }, { headers }),
    refresh: [agentsKey],
    toastErrors: true,
  });
  const isBusy = session.status === "working" || session.status === "waiting_for_permission";
  const isTooLong = new TextEncoder().encode(draft).length > longest;
  const submit = (event?: FormEvent): void => {
    event?.preventDefault();
    const text = draft.trim();
    if (text === "" || isTooLong || disabledReason !== undefined || send.pending) return;
    sent.current = text;
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
        {isBusy && (
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
        rows={Math.min(8, Math.max(2, draft.split("\n").length))}
        placeholder={isBusy ? "Write the next prompt; it waits for this turn" : "Write to the agent"}
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
      <div className="flex flex-wrap items-center justify-between gap-2">
        <Choices session={session} disabledReason={disabledReason} />
        <Button
          type="submit"
          variant="primary"
          icon="send"
          className="ml-auto"
          pending={send.pending}
          disabledReason={disabledReason ?? (draft.trim() === "" ? "Write a prompt first" : undefined)}
        >
          Send
        </Button>
      </div>
    </form>
  );
}

/** The modes and models that the agent offers. */
function Choices({
  session,
  disabledReason,
}: Pick<ComposerProps, "session" | "disabledReason">): ReactElement {
  const { modes, options } = session;
  const change = useApiMutation({
    run: (body: Change, headers) =>
      client.agentSessions.update({ params: { session_id: session.id }, body }, { headers }),
    refresh: [agentsKey],
    toastErrors: true,
  });
  // An option of this category stands for the modes.
  const hasModes = modes !== null && !options.some(({ category }) => category === "mode");
  return (
    <div className="flex min-w-0 flex-wrap gap-2">
      {hasModes && modes.available.length > 1 && (
        <Choice
          label="Mode"
          value={modes.current}
          onChange={(mode_id) => change.submit({ mode_id })}
          disabledReason={disabledReason}
          options={modes.available.map(({ id, name }) => ({ value: id, label: visible(name) }))}
        />
      )}
      {options
        .filter(({ values }) => values.length > 1)
        .map(({ id, name, current, values }) => (
          <Choice
            key={id}
            label={visible(name)}
            value={current}
            onChange={(value) => change.submit({ option: { id, value } })}
            disabledReason={disabledReason}
            options={values.map((one) => ({
              value: one.value,
              label: one.value === "true" || one.value === "false"
                ? `${visible(name)}: ${one.name.toLowerCase()}`
                : visible(one.name),
            }))}
          />
        ))}
    </div>
  );
}

type Change = { mode_id: string } | { option: { id: string; value: string } };

function Choice({ label, ...rest }: ComponentProps<typeof Select> & { label: string }): ReactElement {
  return (
    <div className="max-w-48 min-w-28">
      <Select aria-label={label} title={label} {...rest} />
    </div>
  );
}
