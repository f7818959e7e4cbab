import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Passkey } from "#shared/api/identity/passkeys.js";
import { client } from "../../../api/client.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Badge } from "../../../ui/feedback/badge.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { createPasskey, passkeyProblem } from "../parts/auth/passkey.js";
import { methodsQuery } from "../../../api/queries/identity/auth.js";
import { Await } from "../../../components/await.js";
import { PasskeyNameDialog } from "./passkey-name-dialog.js";
import { passkeysQuery } from "../../../api/queries/identity/sign-in-queries.js";
import { ConfirmButton } from "../../../components/confirmations.js";

/** Adds, renames, lists and removes passkeys. */
export function PasskeysSection(): ReactElement {
  const passkeys = useQuery(passkeysQuery);
  const { data: methods } = useQuery(methodsQuery);
  const [isAdding, setAdding] = useState(false);
  const problem = passkeyProblem(methods?.passkey_reason);
  return (
    <Card
      title="Passkeys"
      actions={
        <Button size="sm" icon="plus" disabledReason={problem} onClick={() => setAdding(true)}>
          Add passkey
        </Button>
      }
    >
      <div className="flex flex-col gap-4">
        <p>
          A passkey signs you in with your fingerprint, face or device PIN, without password and
          code.
        </p>
        {problem !== undefined && <Alert tone="info">{problem}</Alert>}
        <Await query={passkeys} rows={1}>
          {(data) =>
            data.length === 0 ? (
              <p className="text-muted">You have no passkeys yet.</p>
            ) : (
              <ul aria-label="Passkeys" className="-mb-4 divide-y divide-line border-t border-line">
                {data.map((passkey) => (
                  <PasskeyItem key={passkey.id} passkey={passkey} />
                ))}
              </ul>
            )
          }
        </Await>
      </div>
      {isAdding && (
        <PasskeyNameDialog
          title="Add a passkey"
          description="Name it after the device or the password manager that will keep it. Your browser then asks for the rest."
          action="Continue"
          done="Passkey added"
          run={createPasskey}
          onClose={() => setAdding(false)}
        />
      )}
    </Card>
  );
}

function PasskeyItem({ passkey }: { passkey: Passkey }): ReactElement {
  const [isRenaming, setRenaming] = useState(false);
  const name = visible(passkey.name);
  const params = { passkey_id: passkey.id };
  return (
    <li className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 py-3">
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-2 font-medium [overflow-wrap:anywhere]">
          <PlainText value={passkey.name} />
          {passkey.backed_up && <Badge>Synchronised</Badge>}
        </p>
        <p className="text-[13px] text-muted">
          Created <Time value={passkey.created_at} dateOnly /> ·{" "}
          {passkey.last_used_at === null ? (
            "Never used"
          ) : (
            <>
              Last used <Time value={passkey.last_used_at} />
            </>
          )}
        </p>
      </div>
      <div className="flex gap-2">
        <Button size="sm" aria-label={`Rename ${name}`} onClick={() => setRenaming(true)}>
          Rename
        </Button>
        <RemoveButton passkey={passkey} />
      </div>
      {isRenaming && (
        <PasskeyNameDialog
          title="Rename the passkey"
          action="Save"
          done="Passkey renamed"
          start={passkey.name}
          run={(newName) => client.passkeys.rename({ params, body: { name: newName } })}
          onClose={() => setRenaming(false)}
        />
      )}
    </li>
  );
}

function RemoveButton({ passkey }: { passkey: Passkey }): ReactElement {
  return (
    <ConfirmButton
      size="sm"
      label="Remove"
      aria-label={`Remove ${visible(passkey.name)}`}
      title="Remove this passkey?"
      mutation={{
        run: () => client.passkeys.remove({ params: { passkey_id: passkey.id } }),
        refresh: [passkeysQuery.queryKey],
        successMessage: () => "Passkey removed",
      }}
    >
      <PlainText value={passkey.name} /> no longer signs you in. Your device may go on offering it
      until you delete it there.
    </ConfirmButton>
  );
}
