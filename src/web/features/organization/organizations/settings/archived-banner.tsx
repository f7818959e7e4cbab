import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { Time } from "../../../../ui/text/time.js";
import { client } from "../../../../api/client.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { useDenyReason } from "../../../../access/permissions.js";

/** Explains the archived state on the organization's pages, and offers restoration to permitted users. */
export function ArchivedBanner({
  organization,
}: {
  organization: Organization;
}): ReactElement | null {
  const refusal = useDenyReason(organization.id);
  const restore = useApiMutation({
    run: (_input: undefined, headers) =>
      client.organizations.restore({ params: { org_id: organization.id } }, { headers }),
    // Every query depends on the archived state.
    refresh: [[]],
    successMessage: () => `${visible(organization.name)} is restored`,
    toastErrors: true,
  });
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
