import { type ReactElement, useState } from "react";
import type { ClusterNode } from "#shared/api/operation/nodes.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Progress } from "../../../../ui/feedback/meter.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";
import { countOf, formatNumber } from "../../../../ui/text/number.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { TargetField } from "./move-targets.js";
import { type MoveAllReport, useMoveAll } from "./use-move-all.js";

interface MoveAllButtonProps {
  node: ClusterNode;
  targets: readonly ClusterNode[];
  /** Why no project can move now. */
  reason: string | undefined;
}

/** Moves all projects of a draining server to another one. */
export function MoveAllButton({ node, targets, reason }: MoveAllButtonProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const [chosen, setChosen] = useState("");
  const { report, start, stop, reset } = useMoveAll(node.id);
  const target = targets.find(({ id }) => id === chosen) ?? targets[0];
  const close = (): void => {
    reset();
    setOpen(false);
  };
  return (
    <>
      <Button
        size="sm"
        disabledReason={
          node.draining ? reason : "Drain the server first, so that it gets no new projects."
        }
        onClick={() => setOpen(true)}
      >
        Move all…
      </Button>
      <Dialog
        isOpen={isOpen}
        onClose={close}
        title={`Move all projects of ${visible(node.name)}`}
        description="The projects are copied one after another, and stay in use meanwhile. Each of them answers 503 in its last seconds. Projects with runs in progress are left out."
      >
        {report === null ? (
          <Form
            label="Move all"
            onSubmit={() => target && start(target.id)}
            error={null}
            isShownAtField={false}
            pending={false}
            className="flex flex-col gap-4"
          >
            <TargetField targets={targets} value={target?.id ?? ""} onChange={setChosen} />
            <DialogActions>
              <Button onClick={close}>Cancel</Button>
              <SubmitButton disabledReason={reason}>Start moves</SubmitButton>
            </DialogActions>
          </Form>
        ) : (
          <div className="flex flex-col gap-4">
            <Outcome report={report} />
            <DialogActions>
              {report.isRunning ? (
                <Button onClick={stop}>Stop</Button>
              ) : (
                <Button variant="primary" onClick={close}>
                  Done
                </Button>
              )}
            </DialogActions>
          </div>
        )}
      </Dialog>
    </>
  );
}

/** How many moves have started, and why others have not. */
function Outcome({ report }: { report: MoveAllReport }): ReactElement {
  const { total, started, running, moving, gone, isRunning, isStopped, error } = report;
  const handled = started + running.length + moving.length + gone;
  const left = (total ?? 0) - handled;
  if (isRunning)
    return (
      <div className="flex flex-col gap-1.5">
        <output className="text-[13px] text-muted tabular-nums">
          {total === null
            ? "Listing the projects…"
            : `Starting moves: ${formatNumber(handled)} of ${countOf(total, "project")}`}
        </output>
        <Progress
          label="Projects"
          percent={total === null || total === 0 ? 0 : Math.floor((handled / total) * 100)}
        />
        <p className="text-[13px] text-muted">
          Keep this dialog open. Moves that have started go on in any case.
        </p>
      </div>
    );
  return (
    <output className="flex flex-col gap-2">
      {error !== null && <Alert>{error}</Alert>}
      <p className="font-medium">
        {started === 0 ? "No move was started." : `${countOf(started, "move")} started.`}
      </p>
      {handled > started || left > 0 ? (
        <ul className="flex list-disc flex-col gap-1 pl-5 [overflow-wrap:anywhere]">
          {running.length > 0 && (
            <li>
              {countOf(running.length, "project has", "projects have")} runs in progress:{" "}
              {namesOf(running)}
            </li>
          )}
          {moving.length > 0 && (
            <li>
              {countOf(moving.length, "project is", "projects are")} already moving:{" "}
              {namesOf(moving)}
            </li>
          )}
          {gone > 0 && (
            <li>{countOf(gone, "project is", "projects are")} no longer on this server.</li>
          )}
          {left > 0 && (
            <li>
              {countOf(left, "project was", "projects were")} not tried
              {isStopped ? ", because you stopped." : "."}
            </li>
          )}
        </ul>
      ) : null}
    </output>
  );
}

const mostNames = 5;

/** "Shop, Site and 3 others" */
function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).map(visible).join(", ");
  const rest = names.length - mostNames;
  return rest > 0 ? `${shown} and ${countOf(rest, "other")}` : shown;
}
