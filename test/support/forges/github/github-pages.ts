/**
 * The pages of the double of GitHub on which a person makes and installs an App and allows it to know who they are, and the
 * calls that belong to them. The manifest is checked against what GitHub documents of it.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { components } from "@octokit/openapi-types";
import { z } from "zod";
import { checkFields, type DescribedRequest } from "../check-fields.js";
import { notFound, type ApiAnswer, type ApiRequest, type ForgeDouble } from "../forge-double.js";
import { githubApp } from "./github-double.js";

const level = z.enum(["read", "write", "admin"]);
const manifestOf = z.strictObject({
  name: z.string().min(1).max(34),
  url: z.url(),
  hook_attributes: z.strictObject({ url: z.url(), active: z.boolean() }).optional(),
  redirect_url: z.url(),
  callback_urls: z.array(z.url()).max(10),
  setup_url: z.url().optional(),
  description: z.string().optional(),
  public: z.boolean(),
  default_events: z.array(z.string()).optional(),
  default_permissions: z.record(z.string(), level),
  request_oauth_on_install: z.boolean(),
  setup_on_update: z.boolean().optional(),
});

const described: Record<string, DescribedRequest> = {
  "POST /app-manifests/{code}/conversions": {},
  "GET /user/installations": { query: { per_page: "number", page: "number" } },
};

export class GithubPages {
  manifest: z.output<typeof manifestOf> | null = null;
  /** The login of the person in the browser. */
  login = "grace-h";
  /** The installations that the person sees. */
  installations: number[] = [Number(githubApp.installation_id)];
  /** How often a manifest was exchanged. */
  conversions = 0;
  readonly #codes = new Set<string>();
  readonly #double: ForgeDouble;

  constructor(double: ForgeDouble) {
    this.#double = double;
    double.fault = (request) => this.answer(request);
    double.page = (url, request, response) => void this.#page(url, request, response);
  }

  newCode(): string {
    const code = randomBytes(10).toString("hex");
    this.#codes.add(code);
    return code;
  }

  /** Makes the App of a manifest. Returns where the browser goes. */
  make(manifest: string, state: string): string {
    this.manifest = manifestOf.parse(JSON.parse(manifest));
    return this.#back(this.manifest.redirect_url, { code: this.newCode(), state });
  }

  /** Installs the App. Returns where the browser goes. */
  install(state: string, installationId = githubApp.installation_id): string {
    return this.#back(this.manifest?.callback_urls[0] ?? "", {
      code: this.newCode(),
      installation_id: installationId,
      setup_action: "install",
      state,
    });
  }

  /** Answers the calls of the API; null for any other. */
  answer(request: ApiRequest): ApiAnswer | null {
    const [, code] = /^\/app-manifests\/(\w+)\/conversions$/.exec(request.path) ?? [];
    const isInstallations = request.path === "/user/installations";
    if (code === undefined && !isInstallations) return null;
    const problem = checkFields(described, request);
    if (problem !== null) this.#double.violations.push(`${request.path}: ${problem}`);
    if (code !== undefined) {
      if (!this.#codes.delete(code)) return notFound;
      this.conversions += 1;
      return { status: 201, body: this.#app() };
    }
    if (!request.isSigned) return { status: 401, body: { message: "Bad credentials" } };
    return {
      body: {
        total_count: this.installations.length,
        installations: this.installations.map((id) => ({ id })),
      },
    };
  }

  #app() {
    return {
      id: Number(githubApp.app_id),
      slug: "omoi-test",
      pem: githubApp.private_key,
      client_id: "Iv1.0123456789abcdef",
      client_secret: "secret-of-the-client",
      webhook_secret: "secret-of-events",
      html_url: `${this.#double.url}/apps/omoi-test`,
    } satisfies Partial<components["schemas"]["integration"]> & Record<string, unknown>;
  }

  #back(to: string, query: Record<string, string>): string {
    const url = new URL(to);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url.href;
  }

  async #page(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const state = url.searchParams.get("state") ?? "";
    const show = (title: string, links: Record<string, string>): void => {
      const all = Object.entries(links).map(
        ([label, to]) => `<p><a href="${to.replaceAll("&", "&amp;")}">${label}</a></p>`,
      );
      response
        .writeHead(200, { "content-type": "text/html; charset=utf-8" })
        .end(
          `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${all.join("")}`,
        );
    };
    if (/^(?:\/organizations\/[\w-]+)?\/settings\/apps\/new$/.test(url.pathname)) {
      const manifest = new URLSearchParams(body).get("manifest") ?? "";
      show("Create GitHub App", { "Create GitHub App for acme": this.make(manifest, state) });
    } else if (url.pathname === "/apps/omoi-test/installations/new") {
      show("Install Omoi", {
        Install: this.install(state),
        "Install elsewhere": this.install(state, "71"),
      });
    } else if (url.pathname === "/login/oauth/authorize") {
      const to = url.searchParams.get("redirect_uri") ?? "";
      response.writeHead(302, { location: this.#back(to, { code: this.newCode(), state }) }).end();
    } else if (url.pathname === "/login/oauth/access_token") {
      response.writeHead(200, { "content-type": "application/json" }).end(this.#token(body));
    } else {
      response.writeHead(404).end();
    }
  }

  #token(body: string): string {
    const { client_id, client_secret, code = "" } = JSON.parse(body) as Record<string, string>;
    const { client_id: id, client_secret: secret } = this.#app();
    const isKnown = client_id === id && client_secret === secret && this.#codes.delete(code);
    if (!isKnown) return JSON.stringify({ error: "bad_verification_code" });
    const token = `ghu_${randomBytes(8).toString("hex")}`;
    this.#double.tokens.set(token, { login: this.login, reach: null });
    return JSON.stringify({ access_token: token, token_type: "bearer", scope: "" });
  }
}
