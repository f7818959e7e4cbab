import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { adminKey } from "../../../api/queries/operation/admin.js";
import { maintenanceKey, maintenanceQuery } from "../../../api/queries/operation/maintenance.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { StatusDot } from "../../../ui/feedback/badge.js";
import { TextField } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Card } from "../../../ui/layout/card.js";
import { Time } from "../../../ui/text/time.js";

const refresh = [adminKey, maintenanceKey];

/** Begins and ends maintenance, and changes its message. */
export function MaintenanceTab(): ReactElement {
  const {
    data: { active, message, since },
  } = useQuery(maintenanceQuery);
  const form = useForm({
    endpoint: api.maintenance.start,
    saved: { message: message ?? "" },
    toBody: (values) => values,
    run: (body, headers) => client.maintenance.start({ body }, { headers }),
    refresh,
    successMessage: () => (active ? "Message saved" : "Maintenance has begun"),
  });
  const end = useApiMutation({
    run: (_input: undefined, headers) => client.maintenance.end(undefined, { headers }),
    refresh,
    successMessage: () => "Maintenance has ended",
    toastErrors: true,
  });
  return (
    <Card title="Maintenance">
      <Form label="Maintenance" {...form.props} className="max-w-xl">
        <p>
          {active ? (
            <StatusDot tone="warn">
              In maintenance since {since && <Time value={since} />}
            </StatusDot>
          ) : (
            <StatusDot tone="good">Not in maintenance</StatusDot>
          )}
        </p>
        <p className="text-muted">
          During maintenance everything can be read, but only super admins can change something, on
          these pages. Runs in progress go on and save their work. Queued runs, merge queues and
          imports wait. Each page shows the message.
        </p>
        <TextField
          label="Message"
          {...form.field("message")}
          placeholder="Moving to a new disk, back at 18:00 UTC."
        />
        <div className="flex flex-wrap gap-2">
          <SubmitButton variant={active ? "secondary" : "primary"}>
            {active ? "Save message" : "Start maintenance"}
          </SubmitButton>
          {active && (
            <Button variant="primary" pending={end.pending} onClick={() => end.submit(undefined)}>
              End maintenance
            </Button>
          )}
        </div>
      </Form>
    </Card>
  );
}
