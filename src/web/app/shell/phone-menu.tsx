import type { ReactElement } from "react";
import { Sheet } from "../../ui/overlays/dialog-frame.js";
import { Navigation } from "./navigation.js";

/** The sidebar on narrow screens. */
export function PhoneMenu({ onClose }: { onClose: () => void }): ReactElement {
  return (
    <Sheet onClose={onClose} title="Menu">
      <Navigation onNavigate={onClose} />
    </Sheet>
  );
}
