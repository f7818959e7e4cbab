/**
 * Error codes of a failed sign-in through the identity provider: the `error` parameter of the final
 * page.
 */
export const oidcErrors = {
  oidc_unavailable:
    "The identity provider does not respond. Try again later, or sign in another way.",
  oidc_failed: "The identity provider's response was rejected. Try again.",
  oidc_cancelled: "The sign-in was canceled at the identity provider.",
  oidc_expired: "The sign-in expired, or started at another address of this site. Try again.",
  oidc_email_unverified:
    "The identity provider has not verified your email address. Verify it there, then try again.",
  oidc_not_linked:
    "An account with your email address exists. Sign in to it, then link the identity provider in its security settings.",
  oidc_linked_elsewhere: "This identity is linked to another account.",
  email_unverified: "Confirm your email address first, then link the identity provider.",
  registration_closed:
    "Registration requires an invitation. Ask an owner of your organization for one.",
  account_inactive: "Your account is disabled. Contact the operator of this server.",
} as const;
export type OidcError = keyof typeof oidcErrors;
