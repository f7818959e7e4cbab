import { useBlocker } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense } from "react";
import { loadPart } from "../../hooks/connection.js";
import { hasUnsaved, leaveQuestion } from "../../ui/fields/unsaved.js";

const DiscardDialog = lazy(async () => ({
  default: (await loadPart(() => import("../../ui/overlays/dialog.js"))).DiscardDialog,
}));

interface Place {
  pathname: string;
  search: object;
}

/** Tabs and dialogs contain forms; filters and sorting keep unsaved input. */
function isElsewhere(current: Place, next: Place): boolean {
  const formsOf = ({ pathname, search }: Place): string =>
    JSON.stringify([pathname, "tab" in search && search.tab, "new" in search]);
  return formsOf(current) !== formsOf(next);
}

/**
 * Asks for confirmation before a link, the back button or closing the tab discards unsaved input or a
 * new key.
 */
export function LeaveGuard(): ReactElement | null {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => hasUnsaved() && isElsewhere(current, next),
    enableBeforeUnload: hasUnsaved,
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  return (
    <Suspense>
      <DiscardDialog
        question={leaveQuestion()}
        onStay={blocker.reset}
        onDiscard={blocker.proceed}
      />
    </Suspense>
  );
}
