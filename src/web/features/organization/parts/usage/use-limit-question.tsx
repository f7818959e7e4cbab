import { type ReactElement, useRef, useState } from "react";
import { ConfirmDialog } from "../../../../ui/overlays/dialog.js";

interface LimitQuestionOptions {
  /**
   * Returns a sentence for each entered limit below today's use, and what follows; an empty list if none is. It reads
   * the use again.
   */
  findWarnings: () => Promise<readonly string[]>;
  submit: () => void;
}

/** Asks before a form saves a limit that is used up already. */
export function useLimitQuestion({ findWarnings, submit }: LimitQuestionOptions): {
  onSubmit: () => void;
  dialog: ReactElement;
} {
  const [warnings, setWarnings] = useState<readonly string[]>([]);
  const isReading = useRef(false);
  const ask = async (): Promise<void> => {
    if (isReading.current) return;
    isReading.current = true;
    // Without figures the limits are saved: they hold in any case.
    const found = await findWarnings().catch(() => []);
    isReading.current = false;
    if (found.length === 0) submit();
    else setWarnings(found);
  };
  return {
    onSubmit: () => void ask(),
    dialog: (
      <ConfirmDialog
        isOpen={warnings.length > 0}
        onClose={() => setWarnings([])}
        title="Save a limit below today's use?"
        action="Save limit"
        pending={false}
        onConfirm={() => {
          setWarnings([]);
          submit();
        }}
      >
        {warnings.join(" ")}
      </ConfirmDialog>
    ),
  };
}

/** Returns a sentence if a limit that was just entered is below the use. */
export function lowLimitText(
  limit: number | null,
  used: number,
  textOf: (used: number) => string,
): string | undefined {
  return limit !== null && limit >= 0 && limit < used
    ? `The limit is below today's use of ${textOf(used)}.`
    : undefined;
}
