import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { Badge } from "../../../ui/feedback/badge.js";
import { Button } from "../../../ui/actions/button.js";
import { Details } from "../../../ui/layout/card.js";
import { Time } from "../../../ui/text/time.js";
import { ResourceCard } from "../../../components/resource-card.js";
import { ReauthButton } from "./reauth-button.js";
import { RecoveryCodes } from "./recovery-codes.js";
import { secondFactorQuery } from "../../../api/queries/identity/sign-in-queries.js";
import { DisableTotpDialog } from "./disable-totp-dialog.js";
import { TotpSetup } from "./totp-setup.js";

/** Sets up and removes the authenticator app, and renews its recovery codes. */
export function SecondFactorSection(): ReactElement {
  const state = useQuery(secondFactorQuery);
  const [setup, setSetup] = useState<{ secret: string; uri: string } | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const isOn = state.data?.totp ?? false;
  return (
    <ResourceCard
      title={
        <span className="inline-flex items-center gap-2">
          Authenticator app
          {state.data && <Badge tone={isOn ? "good" : "neutral"}>{isOn ? "On" : "Off"}</Badge>}
        </span>
      }
      query={state}
      rows={1}
    >
      {(data) =>
        codes ? (
          <RecoveryCodes codes={codes} onDone={() => setCodes(null)} />
        ) : setup ? (
          <TotpSetup
            setup={setup}
            onCancel={() => setSetup(null)}
            onConfirmed={(fresh) => {
              setSetup(null);
              setCodes(fresh);
            }}
          />
        ) : isOn ? (
          <IsOn
            since={data.totp_since}
            left={data.recovery_codes_left}
            hasPassword={data.has_password}
            onCodes={setCodes}
          />
        ) : (
          <div className="flex flex-col items-start gap-3">
            <p>Signing in with your password then also needs a code from an app on your phone.</p>
            <ReauthButton
              endpoint={api.secondFactor.startTotp}
              label="Set up"
              variant="primary"
              hasPassword={data.has_password}
              disabledReason={
                data.has_password
                  ? undefined
                  : "You sign in without a password, and the code is asked after one."
              }
              run={(password) => client.secondFactor.startTotp({ body: password })}
              onDone={({ secret, uri }) => {
                if (secret !== null && uri !== null) setSetup({ secret, uri });
              }}
            />
          </div>
        )
      }
    </ResourceCard>
  );
}

function IsOn({
  since,
  left,
  hasPassword,
  onCodes,
}: {
  since: string | null;
  left: number;
  hasPassword: boolean;
  onCodes: (codes: string[] | null) => void;
}): ReactElement {
  const [isAsking, setAsking] = useState(false);
  return (
    <div className="flex flex-col gap-4">
      <Details
        rows={{
          "On since": since === null ? "Unknown" : <Time value={since} />,
          "Recovery codes": (
            <span className={left < 3 ? "text-warn" : ""}>
              {left} of 10 left{left < 3 && ". Get new ones before they run out."}
            </span>
          ),
        }}
      />
      <div className="flex flex-wrap items-start gap-2">
        <ReauthButton
          endpoint={api.secondFactor.renewRecoveryCodes}
          label="New recovery codes"
          hasPassword={hasPassword}
          run={(password) => client.secondFactor.renewRecoveryCodes({ body: password })}
          refresh={[secondFactorQuery.queryKey]}
          onDone={({ recovery_codes }) => onCodes(recovery_codes)}
        />
        <Button onClick={() => setAsking(true)}>Switch off</Button>
      </div>
      <DisableTotpDialog
        isOpen={isAsking}
        hasPassword={hasPassword}
        onClose={() => setAsking(false)}
      />
    </div>
  );
}
