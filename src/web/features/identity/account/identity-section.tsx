import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { oidcErrors } from "#shared/identity/oidc-errors.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { Time } from "../../../ui/text/time.js";
import { methodsQuery } from "../../../api/queries/identity/auth.js";
import { Await } from "../../../components/await.js";
import { identitiesQuery } from "../../../api/queries/identity/sign-in-queries.js";

const route = getRouteApi("/app/settings/security");

/** The account's link to the identity provider, if one is configured. */
export function IdentitySection(): ReactElement | null {
  const { error } = route.useSearch();
  const { data: methods } = useQuery(methodsQuery);
  const identities = useQuery({ ...identitiesQuery, enabled: Boolean(methods?.oidc) });
  const link = useApiMutation({
    run: () => client.oidc.link({ body: { redirect: paths.security().to } }),
    onDone: ({ url }) => location.assign(url),
  });
  const name = methods?.oidc?.name;
  if (name === undefined) return null;
  return (
    <Card title={name}>
      <div className="flex flex-col items-start gap-3">
        {error && (
          <div className="w-full">
            <Alert live>{oidcErrors[error]}</Alert>
          </div>
        )}
        <p>Linked to your account, {name} signs you in without password and code.</p>
        <Await query={identities} rows={1}>
          {(data) =>
            data.length > 0 ? (
              <ul aria-label="Linked identities" className="w-full divide-y divide-line">
                {data.map((identity) => (
                  <li
                    key={identity.id}
                    className="flex flex-wrap items-center justify-between gap-3 py-2"
                  >
                    <span className="min-w-0 text-muted [overflow-wrap:anywhere]">
                      {identity.issuer}, linked since <Time value={identity.created_at} dateOnly />
                    </span>
                    <UnlinkButton identityId={identity.id} />
                  </li>
                ))}
              </ul>
            ) : (
              <>
                {link.error && <Alert live>{link.error.message}</Alert>}
                <Button pending={link.pending} onClick={() => link.submit(undefined)}>
                  Link {name}
                </Button>
              </>
            )
          }
        </Await>
      </div>
    </Card>
  );
}

function UnlinkButton({ identityId }: { identityId: string }): ReactElement {
  const unlink = useApiMutation({
    run: () => client.oidc.unlink({ params: { identity_id: identityId } }),
    refresh: [identitiesQuery.queryKey],
    successMessage: () => "Unlinked",
    toastErrors: true,
  });
  return (
    <Button size="sm" pending={unlink.pending} onClick={() => unlink.submit(undefined)}>
      Unlink
    </Button>
  );
}
