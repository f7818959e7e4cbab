import { type ReactElement, useState } from "react";
import type { Organization } from "#shared/api/organizations.js";
import { Button } from "../../ui/button.js";
import { Dialog, DialogActions } from "../../ui/dialog.js";
import { TextField } from "../../ui/field.js";
import { Form } from "../../ui/form.js";
import { visible } from "../../ui/plain-text.js";
import { useArchive } from "./archive.js";
import { archivedReason, type Refusal } from "./permissions.js";

interface ArchiveProps {
  organization: Organization;
  refusal: Refusal;
}

export function ArchiveOrganization({ organization, refusal }: ArchiveProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const reason = organization.is_active ? refusal("org:archive") : archivedReason;
  const close = (): void => setOpen(false);
  return (
    <div className="flex flex-col gap-1.5 md:items-end">
      <div>
        <Button variant="danger" disabledReason={reason} onClick={() => setOpen(true)}>
          Archive Organization…
        </Button>
      </div>
      {reason !== undefined && <p className="text-[13px] text-muted">{reason}</p>}
      <Dialog
        isOpen={isOpen}
        onClose={close}
        title={`Archive ${visible(organization.name)}?`}
        description={
          <ul className="flex list-disc flex-col gap-1 pl-5">
            <li>Running agents are stopped.</li>
            <li>API keys for this organization alone stop working.</li>
            <li>Everything can still be read; nothing can be changed.</li>
            <li>An owner can restore it at any time.</li>
          </ul>
        }
      >
        <ArchiveForm organization={organization} onClose={close} />
      </Dialog>
    </div>
  );
}

function ArchiveForm({
  organization,
  onClose,
}: {
  organization: Organization;
  onClose: () => void;
}): ReactElement {
  const [typed, setTyped] = useState("");
  const archive = useArchive({ organization, onDone: onClose });
  const isConfirmed = typed.trim() === organization.slug;
  return (
    <Form
      label="Archive organization"
      onSubmit={() => isConfirmed && archive.submit(undefined)}
      error={archive.error}
      isShownAtField={false}
    >
      <TextField
        label={`Type “${organization.slug}” to confirm`}
        name="confirmation"
        value={typed}
        onChange={setTyped}
        autoCapitalize="none"
        spellCheck={false}
        className="font-mono text-[13px]"
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <Button
          type="submit"
          variant="danger"
          pending={archive.pending}
          disabledReason={isConfirmed ? undefined : "Type the slug to confirm."}
        >
          Archive
        </Button>
      </DialogActions>
    </Form>
  );
}
