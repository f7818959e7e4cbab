import { lazy, type ReactElement, type ReactNode, Suspense, useState } from "react";
import { loadPart } from "../../hooks/connection.js";
import { unsavedChangesQuestion, type LeaveQuestion } from "../fields/unsaved.js";
import { Alert } from "../feedback/alert.js";
import { Button } from "../actions/button.js";
import type { FrameProps } from "./dialog-frame.js";
import { UnsavedScope } from "../fields/unsaved.js";

// A twentieth of a page's code, needed only once a dialog opens.
const DialogFrame = lazy(async () => ({
  default: (await loadPart(() => import("./dialog-frame.js"))).DialogFrame,
}));

interface DialogProps extends FrameProps {
  isOpen: boolean;
}

/** A modal dialog. Escape, a click outside and the close button ask before unsaved input is discarded. */
export function Dialog({ isOpen, ...rest }: DialogProps): ReactElement | null {
  return isOpen ? <OpenDialog {...rest} /> : null;
}

function OpenDialog({ onClose, children, ...rest }: FrameProps): ReactElement {
  const [unsaved] = useState(() => new Set<string>());
  const [isAsking, setAsking] = useState(false);
  return (
    <Suspense>
      <DialogFrame
        {...rest}
        onClose={() => {
          if (unsaved.size > 0) setAsking(true);
          else onClose();
        }}
      >
        <UnsavedScope value={unsaved}>{children}</UnsavedScope>
        {isAsking && <DiscardDialog onStay={() => setAsking(false)} onDiscard={onClose} />}
      </DialogFrame>
    </Suspense>
  );
}

interface ConfirmProps {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  children: ReactNode;
  action: string;
  /** Of the button that confirms; by default it warns. */
  variant?: "primary" | "danger";
  /** Label of the button that closes the dialog. */
  dismiss?: string | undefined;
  pending: boolean;
  onConfirm: () => void;
  /** The error of the last attempt, unless it is shown as a toast. */
  error?: Error | null;
}

/** Asks for confirmation of an irreversible action. */
export function ConfirmDialog(props: ConfirmProps): ReactElement {
  return (
    <Dialog
      isOpen={props.isOpen}
      onClose={props.onClose}
      title={props.title}
      description={props.children}
    >
      {props.error && (
        <div className="mb-4">
          <Alert live>{props.error.message}</Alert>
        </div>
      )}
      <DialogActions>
        <Button onClick={props.onClose}>{props.dismiss ?? "Cancel"}</Button>
        <Button
          variant={props.variant ?? "danger"}
          pending={props.pending}
          onClick={props.onConfirm}
        >
          {props.action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

/** Asks before unsaved input is discarded. */
export function DiscardDialog({
  question = unsavedChangesQuestion,
  onStay,
  onDiscard,
}: {
  question?: LeaveQuestion;
  onStay: () => void;
  onDiscard: () => void;
}): ReactElement {
  return (
    <Dialog isOpen onClose={onStay} title={question.title} description={question.description}>
      <DialogActions>
        <Button onClick={onStay}>{question.stay}</Button>
        <Button variant="danger" onClick={onDiscard}>
          {question.leave}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

export function DialogActions({ children }: { children: ReactNode }): ReactElement {
  return <div className="flex flex-wrap justify-end gap-2">{children}</div>;
}
