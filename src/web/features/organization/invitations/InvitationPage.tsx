import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactElement, ReactNode } from "react";
import type { InvitationOffer } from "#shared/api/organization/invitations.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Details } from "../../../ui/layout/card.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { AuthLayout } from "../../identity/parts/auth/auth-layout.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { mayBeSignedIn } from "../../../access/signed-in.js";
import { AcceptInvitation, SignOutFirst } from "./invitation-actions.js";
import { offerQuery } from "../../../api/queries/organization/invitations.js";

const route = getRouteApi("/invitations/$token");

/** Shows an invitation to anyone with the link, and the options to accept it. */
export function InvitationPage(): ReactElement {
  const { token } = route.useParams();
  const { data: offer } = useLoaded(offerQuery(token));
  const { data: me } = useQuery({ ...meQuery, enabled: mayBeSignedIn() });
  if (offer === null) {
    return (
      <Frame
        title="Invitation not found"
        lead="The link is incomplete, or the invitation was accepted or revoked."
      >
        <p>
          Check that you have the whole link. If you received several emails, use the link in the
          newest one.
        </p>
      </Frame>
    );
  }
  return <Offer offer={offer} token={token} signedInAs={me?.email} />;
}

function Frame({
  title,
  lead,
  children,
}: {
  title: string;
  lead: string;
  children: ReactNode;
}): ReactElement {
  const isSignedIn = useQueryClient().getQueryData(meQuery.queryKey) !== undefined;
  return (
    <AuthLayout
      title={title}
      lead={lead}
      footer={
        isSignedIn ? (
          <Link {...paths.organizations()} className="font-medium text-accent-ink underline">
            Go to your organizations
          </Link>
        ) : (
          "Omoi is the control plane for your team's coding agents."
        )
      }
    >
      {children}
    </AuthLayout>
  );
}

interface OfferProps {
  offer: InvitationOffer;
  token: string;
  signedInAs: string | undefined;
}

function Offer({ offer, token, signedInAs }: OfferProps): ReactElement {
  const name = visible(offer.organization.name);
  const inviter = offer.invited_by === null ? "A member" : visible(offer.invited_by.name);
  if (offer.status !== "pending") {
    return <ClosedInvitation offer={offer} inviter={inviter} signedInAs={signedInAs} />;
  }
  return (
    <Frame title={`Join ${name}`} lead={`${inviter} invites you to this organization.`}>
      <div className="flex flex-col gap-5">
        <Details
          rows={{
            Organization: <PlainText value={offer.organization.name} />,
            Role: <PlainText value={offer.role_name} />,
            For: <PlainText value={offer.email} />,
            "Open until": <Time value={offer.expires_at} />,
          }}
        />
        {!offer.organization.is_active ? (
          <Alert tone="warn">
            The organization is archived. The invitation can be accepted when it is restored.
          </Alert>
        ) : signedInAs === undefined ? (
          <SignedOut offer={offer} token={token} />
        ) : signedInAs === offer.email ? (
          <AcceptInvitation token={token} />
        ) : (
          <SignOutFirst signedInAs={signedInAs} email={offer.email} />
        )}
      </div>
    </Frame>
  );
}

/** Without a session: register, or sign in to an existing account. */
function SignedOut({ offer, token }: Omit<OfferProps, "signedInAs">): ReactElement {
  const back = `/invitations/${token}`;
  return (
    <div className="flex flex-col gap-3">
      {offer.can_register && (
        <Link {...paths.register({ redirect: back })} className={buttonClass("primary")}>
          Create an account
        </Link>
      )}
      <Link
        {...paths.login({ redirect: back })}
        className={buttonClass(offer.can_register ? "secondary" : "primary")}
      >
        Sign in
      </Link>
      <p className="text-[13px] text-muted">
        {offer.can_register
          ? "Sign in if you have an account with this address; you come back here to accept."
          : "Registration is closed on this server. If this address has no account, ask the server's administrator to create one."}
      </p>
    </div>
  );
}

interface ClosedInvitationProps extends Omit<OfferProps, "token"> {
  inviter: string;
}

/** Why the invitation can no longer be accepted, and the next step. */
function ClosedInvitation({ offer, inviter, signedInAs }: ClosedInvitationProps): ReactElement {
  const organization = <PlainText value={offer.organization.name} />;
  switch (offer.status) {
    case "accepted":
      return (
        <Frame title="Already accepted" lead="An invitation works once, and this one was used.">
          <p>
            {signedInAs === offer.email ? "You" : <PlainText value={offer.email} />} used it to join{" "}
            {organization}.
          </p>
          {signedInAs === undefined && (
            <Link {...paths.login()} className={`${buttonClass("primary")} mt-4 w-full`}>
              Sign in
            </Link>
          )}
        </Frame>
      );
    case "expired":
      return (
        <Frame title="This invitation has expired" lead="It was not accepted in time.">
          <p>
            It could be accepted until <Time value={offer.expires_at} />. Ask {inviter} to send you
            the invitation to {organization} again; the new email contains a new link.
          </p>
        </Frame>
      );
    default:
      return (
        <Frame title="This invitation was revoked" lead="It can no longer be accepted.">
          <p>
            Ask {inviter} if you should still join {organization}; a new invitation comes with a new
            link.
          </p>
        </Frame>
      );
  }
}
