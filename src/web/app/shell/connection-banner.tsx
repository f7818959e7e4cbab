import type { ReactElement } from "react";
import { useConnectionLost } from "../../hooks/connection.js";
import { Icon } from "../../ui/actions/icons.js";

/** States that the server is unreachable; the page below stays unchanged. */
export function ConnectionBanner(): ReactElement {
  const isLost = useConnectionLost();
  return (
    <output className="pointer-events-none fixed inset-x-4 top-2 z-50 flex justify-center print:hidden">
      {isLost && (
        <span className="flex items-center gap-2 rounded-full border border-line bg-warn-soft px-3.5 py-1.5 font-medium text-warn shadow-floating">
          <Icon name="retry" />
          Connection lost. Reconnecting…
        </span>
      )}
    </output>
  );
}
