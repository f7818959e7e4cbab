import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { presetTitles } from "#shared/execution/run-choices.js";
import type { Session } from "#shared/api/work/sessions.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { ConfirmButton } from "../../../../components/confirmations.js";
import { isOpen } from "./session-status.js";
import { costText, tokensText } from "../../../organization/parts/usage/model-figures.js";
import { useForm } from "../../../../forms/use-form.js";
import { paths } from "../../../../paths/paths.js";
import { Button, IconButton } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SearchField } from "../../../../ui/fields/search-field.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { RelativeTime } from "../../../../ui/text/time.js";

interface SessionHeadProps {
  session: Session;
  disabledReason: string | undefined;
  search: string;
  onSearch: (text: string) => void;
  /** How much of the transcript matches; "" without a search. */
  found: string;
}

/** The title of a session, who started it, what it has used, and its actions. */
export function SessionHead({
  session,
  disabledReason,
  search,
  onSearch,
  found,
}: SessionHeadProps): ReactElement {
  const [isRenaming, setRenaming] = useState(false);
  const params = { session_id: session.id };
  const usage = session.model_usage;
  return (
    <header className="flex flex-col gap-2 border-b border-line pb-3">
      <div className="flex flex-wrap items-start justify-between gap-x-4 gap-y-2">
        <div className="flex min-w-0 items-center gap-1">
          <h2 className="min-w-0 text-base font-semibold">
            <PlainText value={session.title} />
          </h2>
          {isOpen(session) && disabledReason === undefined && (
            <IconButton label="Rename session" icon="edit" onClick={() => setRenaming(true)} />
          )}
        </div>
        {isOpen(session) && (
          <ConfirmButton
            label="Close session"
            size="sm"
            disabledReason={disabledReason}
            mutation={{
              run: (_input, headers) => client.agentSessions.close({ params }, { headers }),
              refresh: [agentsKey],
              successMessage: () => "Session closed",
            }}
            title="Close this session?"
          >
            Its program ends, and no further prompts are possible. The transcript and the changes in
            the workspace stay.
          </ConfirmButton>
        )}
      </div>
      <div className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 text-[13px] text-muted">
        <p className="flex min-w-0 flex-wrap gap-x-3">
          <span>{presetTitles[session.preset]}</span>
          <span>
            <PlainText value={session.created_by.name} />,{" "}
            <RelativeTime value={session.created_at} />
          </span>
          {usage && (
            <span>
              {tokensText(usage)}
              {usage.cost_usd !== null && `, ${costText(usage.cost_usd)}`}
            </span>
          )}
          {session.run_id !== null && (
            <Link
              {...paths.run(session.agent_id, session.run_id)}
              className="text-accent-ink hover:underline"
            >
              Run
            </Link>
          )}
        </p>
        <div className="flex items-center gap-2">
          <output className="tabular-nums">{found}</output>
          <div className="w-48">
            <SearchField
              label="Search this session"
              placeholder="Search session"
              value={search}
              onChange={onSearch}
            />
          </div>
        </div>
      </div>
      <Dialog isOpen={isRenaming} onClose={() => setRenaming(false)} title="Rename session">
        <RenameForm session={session} onClose={() => setRenaming(false)} />
      </Dialog>
    </header>
  );
}

function RenameForm({ session, onClose }: { session: Session; onClose: () => void }): ReactElement {
  const form = useForm({
    endpoint: api.agentSessions.update,
    saved: { title: session.title },
    toBody: ({ title }) => ({ title }),
    run: (body, headers) =>
      client.agentSessions.update({ params: { session_id: session.id }, body }, { headers }),
    refresh: [agentsKey],
    onDone: onClose,
  });
  return (
    <Form label="Rename session" {...form.props}>
      <TextField label="Title" {...form.field("title")} />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Rename</SubmitButton>
      </DialogActions>
    </Form>
  );
}
