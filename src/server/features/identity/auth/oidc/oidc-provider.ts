import type { Configuration } from "openid-client";
import type { OidcError } from "#shared/identity/oidc-errors.js";
import type { OidcSettings } from "../../../../config/config.js";

/** Loaded on first use. */
const openid = () => import("openid-client");

const timeoutSeconds = 10;
const metadataMs = 60 * 60_000;

/** The state of a sign-in in progress, stored in a cookie of the browser that began it. */
export interface Attempt {
  state: string;
  nonce: string;
  verifier: string;
}

/** The user's identity at the provider. */
export interface Identity {
  subject: string;
  email: string | null;
  emailVerified: boolean;
  name: string | null;
}

/** A failed sign-in through the provider; the page translates `code`. */
export class OidcFailure extends Error {
  override readonly name = "OidcFailure";
  readonly code: OidcError;

  constructor(code: OidcError, options?: ErrorOptions) {
    super(code, options);
    this.code = code;
  }
}

/** Creates the OpenID Connect client: authorization code flow with PKCE, state and nonce. */
export function createOidcProvider(settings: OidcSettings) {
  let known: { configuration: Promise<Configuration>; until: number } | null = null;

  const configured = async (): Promise<Configuration> => {
    if (known && known.until > Date.now()) return known.configuration;
    const configuration = discover(settings);
    known = { configuration, until: Date.now() + metadataMs };
    // A failed discovery is retried at the next sign-in.
    configuration.catch(() => {
      known = null;
    });
    return configuration;
  };

  return {
    /**
     * Returns the authorization URL and the state to keep.
     * @throws OidcFailure
     */
    begin: async (redirectUri: string): Promise<{ url: string; attempt: Attempt }> => {
      const client = await openid();
      const configuration = await configured().catch((error: unknown) => {
        throw new OidcFailure("oidc_unavailable", { cause: error });
      });
      const attempt = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
      };
      const url = client.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: "openid email profile",
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: "S256",
      });
      return { url: url.href, attempt };
    },

    /**
     * Exchanges the callback for the user's identity.
     * @throws OidcFailure
     */
    finish: async (callbackUrl: URL, attempt: Attempt): Promise<Identity> => {
      const client = await openid();
      try {
        const configuration = await configured();
        const tokens = await client.authorizationCodeGrant(configuration, callbackUrl, {
          expectedState: attempt.state,
          expectedNonce: attempt.nonce,
          pkceCodeVerifier: attempt.verifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (!claims) throw new Error("no ID token");
        // Many providers return the address from the userinfo endpoint only.
        const { email, email_verified, name } =
          claims["email"] === undefined && configuration.serverMetadata().userinfo_endpoint
            ? await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
            : claims;
        return {
          subject: claims.sub,
          email: typeof email === "string" ? email.toLowerCase() : null,
          emailVerified: email_verified === true,
          name: typeof name === "string" ? name.trim().slice(0, 255) || null : null,
        };
      } catch (error) {
        throw new OidcFailure(await codeOf(error), { cause: error });
      }
    },
  };
}

async function discover(settings: OidcSettings): Promise<Configuration> {
  const client = await openid();
  return client.discovery(
    new URL(settings.issuer),
    settings.clientId,
    { [client.clockTolerance]: 30 },
    // The authentication method that the provider supports (OpenID Connect Discovery, section 3).
    (as, metadata, body, headers) => {
      const methods = as.token_endpoint_auth_methods_supported ?? ["client_secret_basic"];
      const authenticate = methods.includes("client_secret_basic")
        ? client.ClientSecretBasic
        : client.ClientSecretPost;
      return authenticate(settings.clientSecret)(as, metadata, body, headers);
    },
    {
      timeout: timeoutSeconds,
      execute: [
        // Verifies the ID token's signature in addition to the TLS connection.
        client.enableNonRepudiationChecks,
        ...(settings.issuer.startsWith("http:") ? [client.allowInsecureRequests] : []),
      ],
    },
  );
}

async function codeOf(error: unknown): Promise<OidcError> {
  const client = await openid();
  if (error instanceof client.AuthorizationResponseError && error.error === "access_denied") {
    return "oidc_cancelled";
  }
  const { code } = error as { code?: string };
  const isSilent = code === "OAUTH_TIMEOUT" || (error instanceof TypeError && code === undefined);
  return isSilent ? "oidc_unavailable" : "oidc_failed";
}
