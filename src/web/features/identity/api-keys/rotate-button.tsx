import { useNavigate } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { Dialog, DialogActions } from "../../../ui/overlays/dialog.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { SelectField } from "../../../ui/fields/select.js";
import { handOverNewKey } from "./new-key-handoff.js";
import { apiKeysKey } from "../../../api/queries/identity/api-keys.js";

const graces = [
  { value: "0", label: "Ends at once" },
  { value: "3600", label: "Works for one more hour" },
  { value: "86400", label: "Works for one more day" },
] as const;

function refusalOf({ status, replaced_by }: ApiKey): string | undefined {
  if (status !== "active") return "The key is no longer active.";
  return replaced_by === null ? undefined : "The key has been rotated already.";
}

/** Replaces a key by a new one, so that a secret can be changed without downtime. */
export function RotateButton({ apiKey }: { apiKey: ApiKey }): ReactElement {
  const navigate = useNavigate();
  const [isAsking, setAsking] = useState(false);
  const [grace, setGrace] = useState("3600");
  const rotate = useApiMutation({
    run: async (seconds: number, headers) => {
      const { data, status } = await client.apiKeys.rotate(
        { params: { key_id: apiKey.id }, body: { grace_period_seconds: seconds } },
        { headers },
      );
      const { key, ...details } = data;
      // Removed from the response, so that no cache contains it.
      if (key !== null) handOverNewKey(details.id, key);
      return { data: details, status };
    },
    refresh: [apiKeysKey],
    onDone: ({ id }) => void navigate(paths.apiKey(id)),
  });
  return (
    <>
      <Button disabledReason={refusalOf(apiKey)} onClick={() => setAsking(true)}>
        Rotate
      </Button>
      <Dialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title="Rotate this key?"
        description={
          <>
            Makes a new key with the rights of <PlainText value={apiKey.name} />, shown once.
          </>
        }
      >
        <div className="flex flex-col gap-4">
          {rotate.error && <Alert live>{rotate.error.message}</Alert>}
          <SelectField
            label="The old key"
            name="grace_period_seconds"
            value={grace}
            options={graces}
            onChange={setGrace}
          />
          <DialogActions>
            <Button onClick={() => setAsking(false)}>Cancel</Button>
            <Button
              variant="primary"
              pending={rotate.pending}
              onClick={() => rotate.submit(Number(grace))}
            >
              Rotate key
            </Button>
          </DialogActions>
        </div>
      </Dialog>
    </>
  );
}
