import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import type { DeviceLoginRequest } from "#shared/api/identity/device-login.js";
import { client } from "../../../api/client.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { deviceLoginQuery } from "../../../api/queries/identity/device-login.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { paths } from "../../../paths/paths.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Segments } from "../../../ui/fields/radio.js";
import { Details } from "../../../ui/layout/card.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";

interface RequestProps {
  request: DeviceLoginRequest;
}

/** Shows who asks, and the choice or its result. */
export function LoginRequest({ request }: RequestProps): ReactElement {
  const { status } = request;
  return (
    <div className="flex flex-col gap-5">
      {status === "pending" && (
        <div>
          <p className="text-[13px] text-muted">Check that the program shows the same code:</p>
          <p className="mt-1 font-mono text-2xl font-semibold tracking-widest">
            {request.user_code}
          </p>
        </div>
      )}
      {status === "approved" && (
        <Alert tone="good" live>
          You have approved the request. Go back to the program; it is signed in within a few
          seconds.
        </Alert>
      )}
      {status === "denied" && (
        <Alert tone="info" live>
          You have denied the request. The program gets no key.
        </Alert>
      )}
      <Details
        rows={{
          Name: request.client_name === null ? "None" : <PlainText value={request.client_name} />,
          Address: request.ip,
          Program: request.user_agent === null ? "None" : <PlainText value={request.user_agent} />,
          Asked: <Time value={request.created_at} withSeconds />,
        }}
      />
      {status === "pending" && <Choice request={request} />}
      {status === "approved" && (
        <div>
          <Link {...paths.apiKeys()} className={buttonClass()}>
            Show API keys
          </Link>
        </div>
      )}
    </div>
  );
}

/** The server's own choice respects the installation's limit. */
type Days = "" | "7" | "30" | "365";

function Choice({ request }: RequestProps): ReactElement {
  const queries = useQueryClient();
  const { data: me } = useQuery(meQuery);
  const [days, setDays] = useState<Days>("");
  const params = { user_code: request.user_code };
  const show = (answered: DeviceLoginRequest): void => {
    queries.setQueryData(deviceLoginQuery(request.user_code).queryKey, answered);
  };
  const approve = useApiMutation({
    run: (chosen: Days, headers) =>
      client.deviceLogin.approve(
        { params, body: chosen === "" ? {} : { expires_in_days: Number(chosen) } },
        { headers },
      ),
    onDone: show,
  });
  const deny = useApiMutation({
    run: (_input: undefined, headers) => client.deviceLogin.deny({ params }, { headers }),
    onDone: show,
  });
  const error = approve.error ?? deny.error;
  const isBusy = approve.pending || deny.pending;
  return (
    <>
      <Alert tone="warn">
        Approve only if you started this on your own computer. The program gets full access as{" "}
        {me === undefined ? "you" : <PlainText value={me.email} />}. The name is the program's own
        claim.
      </Alert>
      <Segments
        legend="The key expires after"
        value={days}
        onChange={setDays}
        options={[
          { value: "7", label: "7 days" },
          { value: "30", label: "30 days" },
          { value: "", label: "90 days at most" },
          { value: "365", label: "1 year" },
        ]}
      />
      {error && (
        <Alert live>
          {error.status === 404
            ? "The request has expired, or another person answered it. Start again in the program."
            : error.message}
        </Alert>
      )}
      <div className="flex flex-wrap justify-end gap-2">
        <Button
          pending={deny.pending}
          onClick={() => {
            if (!isBusy) deny.submit(undefined);
          }}
        >
          Deny
        </Button>
        <Button
          variant="primary"
          pending={approve.pending}
          onClick={() => {
            if (!isBusy) approve.submit(days);
          }}
        >
          Approve
        </Button>
      </div>
    </>
  );
}
