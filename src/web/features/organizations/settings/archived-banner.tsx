import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organizations/organizations.js";
import { Alert } from "../../../ui/alert.js";
import { Button } from "../../../ui/button.js";
import { Time } from "../../../ui/time.js";
import { useRestore } from "./archive.js";
import { useDenyReason } from "../../../access/permissions.js";

/** Explains the archived state on the organization's pages, and offers restoration to permitted users. */
export function ArchivedBanner({
  organization,
}: {
  organization: Organization;
}): ReactElement | null {
  const refusal = useDenyReason(organization.id);
  const restore = useRestore({ organization });
  if (organization.archived_at === null) return null;
  const mayRestore = refusal("org:archive") === undefined;
  return (
    <Alert tone="warn">
      <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
        <p>
          <strong className="font-semibold">This organization is archived</strong>, since{" "}
          <Time value={organization.archived_at} />. Everything can be read, nothing can be changed.
          {!mayRestore && " An owner can restore it."}
        </p>
        {mayRestore && (
          <Button
            size="sm"
            icon="retry"
            className="lg:-my-1.5"
            pending={restore.pending}
            onClick={() => restore.submit(undefined)}
          >
            Restore
          </Button>
        )}
      </div>
    </Alert>
  );
}
