import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** The person signed in at the provider. */
interface Person {
  sub: string;
  email?: string;
  email_verified?: boolean | string;
  name?: string;
}

/** Faults of a broken provider or an attacker in between. */
interface Deviations {
  /** Claims of the ID token that replace the correct ones. */
  claims?: Record<string, unknown>;
  /** Signs with an unpublished key. */
  foreignKey?: boolean;
  unsigned?: boolean;
  /** Answers the authorization with an error. */
  refuse?: string;
  /** Returns the address only from the userinfo endpoint. */
  onlyUserinfo?: boolean;
  tokenStatus?: number;
}

const clientId = "omoi";
const clientSecret = "a secret: with + and %";

/** An OpenID provider on a free port: authorization code flow with PKCE, RS256. */
export class IdentityProvider {
  person: Person = { sub: "nobody" };
  deviations: Deviations = {};
  authMethods: string[] | undefined;
  readonly #server: Server;
  readonly #key = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #otherKey = generateKeyPairSync("rsa", { modulusLength: 2048 });
  readonly #codes = new Map<string, { query: URLSearchParams; person: Person }>();
  readonly #tokens = new Map<string, Person>();

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status = 200, headers = {}, body }) => {
        response.writeHead(status, { "content-type": "application/json", ...headers });
        response.end(body === undefined ? undefined : JSON.stringify(body));
      });
    });
  }

  async start(port = 0): Promise<void> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The operator's settings for it. */
  get env(): Record<string, string> {
    return {
      OMOI_OIDC_ISSUER: this.issuer,
      OMOI_OIDC_CLIENT_ID: clientId,
      OMOI_OIDC_CLIENT_SECRET: clientSecret,
      OMOI_OIDC_NAME: "Acme ID",
    };
  }

  async #answer(
    request: IncomingMessage,
  ): Promise<{ status?: number; headers?: Record<string, string>; body?: unknown }> {
    const url = new URL(request.url ?? "/", this.issuer);
    switch (url.pathname) {
      case "/.well-known/openid-configuration":
        return { body: this.#metadata() };
      case "/authorize":
        return { status: 302, headers: { location: this.#authorize(url.searchParams) } };
      case "/token":
        return this.#token(request);
      case "/jwks": {
        const jwk = this.#key.publicKey.export({ format: "jwk" });
        return { body: { keys: [{ ...jwk, kid: "one", alg: "RS256", use: "sig" }] } };
      }
      case "/userinfo": {
        const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
        return { body: this.#tokens.get(token) };
      }
      default:
        return { status: 404 };
    }
  }

  #metadata(): Record<string, unknown> {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      userinfo_endpoint: `${issuer}/userinfo`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      ...(this.authMethods && { token_endpoint_auth_methods_supported: this.authMethods }),
    };
  }

  #authorize(query: URLSearchParams): string {
    const back = new URL(query.get("redirect_uri") ?? "");
    back.searchParams.set("state", query.get("state") ?? "");
    if (this.deviations.refuse !== undefined) {
      back.searchParams.set("error", this.deviations.refuse);
      return back.href;
    }
    const code = randomBytes(16).toString("hex");
    this.#codes.set(code, { query, person: this.person });
    back.searchParams.set("code", code);
    return back.href;
  }

  async #token(request: IncomingMessage) {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const form = new URLSearchParams(text);
    const refused = { status: 400, body: { error: "invalid_grant" } };
    if (this.deviations.tokenStatus !== undefined) return { status: this.deviations.tokenStatus };
    if (!this.#isClient(request, form)) return { status: 401, body: { error: "invalid_client" } };
    const code = form.get("code") ?? "";
    const granted = this.#codes.get(code);
    this.#codes.delete(code);
    if (!granted || form.get("redirect_uri") !== granted.query.get("redirect_uri")) return refused;
    const verifier = form.get("code_verifier") ?? "";
    const challenge = createHash("sha256").update(verifier).digest("base64url");
    if (granted.query.get("code_challenge") !== challenge) return refused;
    const accessToken = randomBytes(16).toString("hex");
    this.#tokens.set(accessToken, granted.person);
    return {
      body: {
        access_token: accessToken,
        token_type: "Bearer",
        expires_in: 60,
        id_token: this.#idToken(granted.person, granted.query.get("nonce")),
      },
    };
  }

  #isClient(request: IncomingMessage, form: URLSearchParams): boolean {
    const header = request.headers.authorization;
    if (this.authMethods?.includes("client_secret_post")) {
      return header === undefined && form.get("client_secret") === clientSecret;
    }
    const [id = "", secret = ""] = Buffer.from(header?.replace("Basic ", "") ?? "", "base64")
      .toString()
      .split(":")
      .map((part) => decodeURIComponent(part.replaceAll("+", " ")));
    return id === clientId && secret === clientSecret;
  }

  #idToken(person: Person, nonce: string | null): string {
    const { claims, foreignKey, unsigned, onlyUserinfo } = this.deviations;
    const now = Math.floor(Date.now() / 1000);
    const payload = {
      iss: this.issuer,
      aud: clientId,
      iat: now,
      exp: now + 300,
      nonce,
      ...(onlyUserinfo ? { sub: person.sub } : person),
      ...claims,
    };
    const header = unsigned ? { alg: "none" } : { alg: "RS256", kid: "one" };
    const text = [header, payload]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const key: KeyObject = (foreignKey ? this.#otherKey : this.#key).privateKey;
    const signature = unsigned ? "" : sign("sha256", Buffer.from(text), key).toString("base64url");
    return `${text}.${signature}`;
  }
}

/** The part of a browser needed for signing in: keeps cookies and returns redirects. */
export class CookieJar {
  readonly cookies = new Map<string, string>();

  get header(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** Sends one request; does not follow redirects. */
  async get(url: string): Promise<{ status: number; location: string; setCookie: string[] }> {
    const response = await fetch(url, { redirect: "manual", headers: { cookie: this.header } });
    await response.arrayBuffer();
    const setCookie = response.headers.getSetCookie();
    this.keep(setCookie);
    return {
      status: response.status,
      location: response.headers.get("location") ?? "",
      setCookie,
    };
  }

  keep(setCookie: readonly string[]): void {
    for (const line of setCookie) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
  }
}
