/** Why a sign-in through the identity provider failed: the `error` of the page it ends on. */
export const oidcErrors = {
  oidc_unavailable:
    "The identity provider does not answer. Try again later, or sign in another way.",
  oidc_failed: "The identity provider's answer was not accepted. Try again.",
  oidc_cancelled: "The sign-in was cancelled at the identity provider.",
  oidc_expired: "The sign-in took too long, or began at another address of this site. Try again.",
  oidc_email_unverified:
    "The identity provider has not verified your e-mail address. Verify it there, then try again.",
  oidc_not_linked:
    "An account with your e-mail address exists. Sign in to it, then link the identity provider in its security settings.",
  oidc_linked_elsewhere: "That identity is linked to another account.",
  email_unverified: "Confirm your email address first, then link the identity provider.",
  registration_closed:
    "Registration is by invitation here. Ask an owner of your organization for one.",
  account_inactive: "Your account is switched off. Ask whoever runs this server.",
} as const;
export type OidcError = keyof typeof oidcErrors;
