/** The pages and the call of OAuth on the doubles of GitLab and Gitea: consent, and the exchange of its code, with PKCE. */
import { createHash, randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import type { ForgeDouble } from "./forge-double.js";

export const oauthClient = {
  client_id: "application-of-the-test",
  client_secret: "gloas-secret-of-the-application",
};

const places = {
  gitlab: { consent: "/oauth/authorize", token: "/oauth/token", scope: "read_user" },
  gitea: {
    consent: "/login/oauth/authorize",
    token: "/login/oauth/access_token",
    scope: "read:user",
  },
} as const;

const exchange = z.strictObject({
  client_id: z.literal(oauthClient.client_id),
  client_secret: z.literal(oauthClient.client_secret),
  code: z.string(),
  grant_type: z.literal("authorization_code"),
  redirect_uri: z.url(),
  code_verifier: z.string().min(43).max(128),
});

/** Serves the application of a forge. @param login of the person in the browser */
export function serveOauth(double: ForgeDouble, kind: "gitlab" | "gitea", login: string): void {
  /** Challenges and redirect addresses by code. */
  const codes = new Map<string, { challenge: string; redirect: string }>();
  const consent = (url: URL, response: ServerResponse): void => {
    const asked = Object.fromEntries(url.searchParams);
    const { redirect_uri: redirect = "", state = "", code_challenge: challenge = "" } = asked;
    const isAsDescribed =
      asked["client_id"] === oauthClient.client_id &&
      asked["response_type"] === "code" &&
      asked["code_challenge_method"] === "S256" &&
      asked["scope"] === places[kind].scope;
    if (!isAsDescribed) double.violations.push(`consent: ${url.search}`);
    const code = randomBytes(10).toString("hex");
    codes.set(code, { challenge, redirect });
    const back = new URL(redirect);
    back.search = new URLSearchParams({ code, state }).toString();
    response.writeHead(302, { location: back.href }).end();
  };
  const grant = (body: string): object => {
    const asked = exchange.safeParse(JSON.parse(body));
    if (!asked.success) return { error: "invalid_request" };
    const { code, code_verifier, redirect_uri } = asked.data;
    const known = codes.get(code);
    codes.delete(code);
    const challenge = createHash("sha256").update(code_verifier).digest("base64url");
    if (known?.challenge !== challenge || known.redirect !== redirect_uri) {
      return { error: "invalid_grant" };
    }
    const token = randomBytes(16).toString("hex");
    double.tokens.set(token, { login, reach: [] });
    return { access_token: token, token_type: "bearer", expires_in: 7200 };
  };
  const serve = async (url: URL, request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    if (url.pathname === places[kind].consent) return consent(url, response);
    if (url.pathname !== places[kind].token) return response.writeHead(404).end();
    const answer = grant(Buffer.concat(chunks).toString());
    const status = "error" in answer ? 400 : 200;
    return response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify(answer));
  };
  double.page = (url, request, response) => void serve(url, request, response);
}
