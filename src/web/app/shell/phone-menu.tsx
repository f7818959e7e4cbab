import type { ReactElement } from "react";
import { Sheet } from "../../ui/dialog-frame.js";
import { Navigation } from "./navigation.js";

/** The sidebar where there is no room for it. */
export function PhoneMenu({ onClose }: { onClose: () => void }): ReactElement {
  return (
    <Sheet onClose={onClose} title="Menu">
      <Navigation onNavigate={onClose} />
    </Sheet>
  );
}
