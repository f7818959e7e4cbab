import type { ReactElement } from "react";
import { ShownOnceDialog } from "../../../../ui/overlays/shown-once-dialog.js";

interface ShownKeyDialogProps {
  title: string;
  secret: string;
  onClose: () => void;
}

/** Shows a new key, once. */
export function ShownKeyDialog(props: ShownKeyDialogProps): ReactElement {
  return (
    <ShownOnceDialog {...props} noun="key" copyLabel="Copy Key">
      Programs send it as <code className="font-mono text-[13px]">Authorization: Bearer</code>. The
      command line reads it from <code className="font-mono text-[13px]">OMOI_TOKEN</code>.
    </ShownOnceDialog>
  );
}
