import { z } from "zod";
import { group, setting, type Setting, type SettingGroup } from "../setting.js";
import { issuerAddress, oneOf, wholeNumber } from "../setting-types.js";

/** Registration, invitations and sign-in by OpenID Connect. */
export const accountSettings = {
  registration: setting({
    variable: "OMOI_REGISTRATION",
    type: oneOf("open", "invite", "closed"),
    default: null,
    shownDefault: "`invite`; `open` where only this machine is served",
    documentation:
      "Who may create an account: everyone (`open`), people with an invitation link (`invite`), or no one (`closed`). The first account is always allowed. The default is `open` while both `OMOI_HOST` and `OMOI_PUBLIC_URL` are loopback addresses.",
  }),
  invitationDays: setting({
    variable: "OMOI_INVITATION_DAYS",
    type: wholeNumber(1, 90),
    default: "7",
    documentation: "Days until an invitation expires, 1 to 90.",
  }),
  oidc: group(
    {
      issuer: setting({
        variable: "OMOI_OIDC_ISSUER",
        type: issuerAddress,
        default: null,
        requires: ["OMOI_OIDC_CLIENT_ID", "OMOI_OIDC_CLIENT_SECRET"],
        documentation: "Issuer of an OpenID Connect identity provider for sign-in.",
      }),
      clientId: setting({
        variable: "OMOI_OIDC_CLIENT_ID",
        type: z.string(),
        default: null,
        requires: ["OMOI_OIDC_ISSUER"],
        documentation:
          "Client at the identity provider, with the redirect address `<public url>/api/v1/auth/oidc/callback`.",
      }),
      clientSecret: setting({
        variable: "OMOI_OIDC_CLIENT_SECRET",
        type: z.string(),
        default: null,
        requires: ["OMOI_OIDC_ISSUER"],
        documentation: "Secret of that client.",
      }),
      name: setting({
        variable: "OMOI_OIDC_NAME",
        type: z
          .string()
          .trim()
          .regex(/^[^\u0000-\u001f\u007f]{0,40}$/, {
            error: "must be at most 40 visible characters",
          }),
        default: null,
        shownDefault: "the issuer's host",
        requires: ["OMOI_OIDC_ISSUER"],
        documentation: "Name of the provider on the sign-in button.",
      }),
    },
    ({ issuer, clientId, clientSecret, name }) =>
      issuer === null || clientId === null || clientSecret === null
        ? null
        : { issuer, clientId, clientSecret, name: name || new URL(issuer).hostname },
  ),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;
