/**
 * Doubles of forges for tests. They are doubles: they answer the requests that the server makes, as far as tests need it,
 * and are no proof that the real forge does the same. They listen on loopback, with real git over HTTP beside their API,
 * and record each request that does not fit the forge's own description.
 */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { makeTempFolder } from "../git/git.js";
import { serveGit } from "../git/upstream-servers.js";
import { Outbox, type EventFormat } from "./outbox.js";
import { DoubleRepository } from "./repository.js";

export interface ApiRequest {
  method: string;
  /** Below the address of the API. */
  path: string;
  query: URLSearchParams;
  body: Record<string, unknown>;
  /** Of the credential. */
  login: string;
  /** Whether it is signed with the key of the App. */
  isApp: boolean;
  /** Whether its credential is known. */
  isSigned: boolean;
  /** The names of the repositories that the credential reaches; null for all. */
  reach: readonly string[] | null;
}

export interface ApiAnswer {
  status?: number;
  headers?: Record<string, string>;
  body?: unknown;
  /** In place of `body`, for answers that are no JSON. */
  text?: string;
}

/** What differs between forges. */
export interface ForgeApi {
  readonly events: EventFormat;
  /** Whether issues and pull requests are counted together. */
  readonly sharesNumbers: boolean;
  /** The path below which the API lies. */
  readonly path: string;
  /** Returns why a request does not fit the forge's description; null if it does. */
  check(request: ApiRequest): string | null;
  answer(double: ForgeDouble, request: ApiRequest): Promise<ApiAnswer>;
  /** Returns the credential in the headers of a request. */
  credentialOf(headers: IncomingMessage["headers"]): string | null;
  /** Whether a credential is signed with the key of an App. */
  isApp?(credential: string): boolean;
}

export class ForgeDouble {
  readonly repositories: DoubleRepository[] = [];
  /** Logins by token. */
  readonly tokens = new Map<string, { login: string; reach: readonly string[] | null }>();
  /** Requests of the API, as in `GET /user`, without those that were answered as unchanged. */
  readonly requests: string[] = [];
  /** Requests that were answered as unchanged. */
  unchanged = 0;
  /** Requests that do not fit the forge's description. */
  readonly violations: string[] = [];
  /** The tokens that git was used with. */
  readonly gitTokens: string[] = [];
  /** Delivers events to hooks. */
  readonly outbox = new Outbox();
  /** Whether logs lie at another address, which must not get a credential. */
  storesLogsElsewhere = true;
  /** Answers requests outside of the API and git, such as those of a browser. */
  page: (url: URL, request: IncomingMessage, response: ServerResponse) => void = (
    _url,
    _request,
    response,
  ) => {
    response.writeHead(404).end();
  };
  /** Answers a request in place of the double; null lets it. */
  fault: (request: ApiRequest) => ApiAnswer | null = () => null;
  /** Called once a request was carried out, before its answer is sent. */
  done: (request: ApiRequest) => void = () => undefined;
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch((error: unknown) => {
      this.violations.push(String(error));
      response.destroy();
    });
  });
  readonly #storage = createServer((request, response) => this.#serveLog(request, response));
  readonly #logs: string[] = [];
  #root = "";

  readonly api: ForgeApi;

  private constructor(api: ForgeApi) {
    this.api = api;
  }

  static async start(api: ForgeApi): Promise<ForgeDouble> {
    const double = new ForgeDouble(api);
    double.#root = await makeTempFolder();
    for (const server of [double.#server, double.#storage]) {
      await new Promise<void>((resolve) => {
        server.listen(0, "127.0.0.1", resolve);
      });
    }
    return double;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get apiUrl(): string {
    return `${this.url}${this.api.path}`;
  }

  async addRepository(name: string, files: Record<string, string>): Promise<DoubleRepository> {
    const id = this.repositories.length + 1;
    const made = await DoubleRepository.make(this.#root, id, name, files);
    made.sharesNumbers = this.api.sharesNumbers;
    made.onEvent = (event) => this.outbox.emit(this.api.events, made, event, this.url);
    this.repositories.push(made);
    return made;
  }

  find(name: string, { reach }: Pick<ApiRequest, "reach">): DoubleRepository | undefined {
    const isHidden = reach !== null && !reach.includes(name);
    return isHidden ? undefined : this.repositories.find((one) => one.name === name);
  }

  async close(): Promise<void> {
    for (const server of [this.#server, this.#storage]) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    }
    await rm(this.#root, { recursive: true, force: true });
  }

  /** Answers with a log, or with its address in a storage. */
  logAnswer(log: string): ApiAnswer {
    if (!this.storesLogsElsewhere) return { text: log };
    const at = this.#logs.push(log) - 1;
    const { port } = this.#storage.address() as AddressInfo;
    return { status: 302, headers: { location: `http://127.0.0.1:${port}/logs/${at}` } };
  }

  #serveLog(request: IncomingMessage, response: ServerResponse): void {
    const { authorization, "private-token": token } = request.headers;
    if (authorization !== undefined || token !== undefined) {
      this.violations.push("the storage of logs got a credential");
    }
    const log = this.#logs[Number(request.url?.split("/").at(-1))];
    response.writeHead(log === undefined ? 404 : 200, { "content-type": "text/plain" }).end(log);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    if (url.pathname.includes(".git/")) {
      this.#serveGit(url, request, response);
      return;
    }
    if (!url.pathname.startsWith(this.api.path)) {
      this.page(url, request, response);
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const method = request.method ?? "GET";
    const credential = this.api.credentialOf(request.headers);
    const known = credential === null ? undefined : this.tokens.get(credential);
    const isApp = credential !== null && this.api.isApp?.(credential) === true;
    const asked: ApiRequest = {
      method,
      path: url.pathname.slice(this.api.path.length),
      query: url.searchParams,
      body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
      login: known?.login ?? "",
      isApp,
      isSigned: known !== undefined || isApp,
      reach: known?.reach ?? null,
    };
    const unauthorized: ApiAnswer = { status: 401, body: { message: "Bad credentials" } };
    const answer = this.fault(asked) ?? (asked.isSigned ? await this.#answer(asked) : unauthorized);
    this.done(asked);
    const body = answer.text ?? (answer.body === undefined ? "" : JSON.stringify(answer.body));
    const etag = `"${createHash("sha256").update(body).digest("hex")}"`;
    const { status = 200, headers = {} } = answer;
    if (method === "GET" && status === 200 && request.headers["if-none-match"] === etag) {
      this.unchanged += 1;
      response.writeHead(304, { etag }).end();
      return;
    }
    this.requests.push(`${method} ${asked.path}`);
    const type = answer.text === undefined ? "application/json" : "text/plain";
    response.writeHead(status, { "content-type": type, etag, ...headers }).end(body);
  }

  async #answer(request: ApiRequest): Promise<ApiAnswer> {
    const violation = this.api.check(request);
    if (violation !== null) {
      this.violations.push(`${request.method} ${request.path}: ${violation}`);
      return { status: 500, body: { message: violation } };
    }
    const { login } = request;
    if (request.path === "/user") return { body: { login, username: login, id: 1 } };
    return this.api.answer(this, request);
  }

  #serveGit(url: URL, request: IncomingMessage, response: ServerResponse): void {
    const [, login = ""] = /^Basic (.+)$/.exec(request.headers.authorization ?? "") ?? [];
    const [, token = ""] = /^[^:]*:(.*)$/.exec(Buffer.from(login, "base64").toString()) ?? [];
    const known = this.tokens.get(token);
    const name = url.pathname.slice(1).split(".git/")[0] ?? "";
    if (known === undefined || (known.reach !== null && !known.reach.includes(name))) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("no\n");
      return;
    }
    this.gitTokens.push(token);
    if (request.method === "POST" && url.pathname.endsWith("/git-receive-pack")) {
      void this.#serveGitPush(name, known.login, request, response);
    } else serveGit(this.#root, known.login, request, response);
  }

  /** Tells of the branches that a push has changed. */
  async #serveGitPush(
    name: string,
    login: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const repository = this.repositories.find((one) => one.name === name);
    const before = await repository?.branches();
    response.once("close", () => {
      repository?.branches().then(
        (after) => {
          for (const [branch, sha] of after) {
            if (before?.get(branch) !== sha) repository.pushed(branch, sha, login);
          }
        },
        () => undefined,
      );
    });
    serveGit(this.#root, login, request, response);
  }
}

/** Returns a part of a path as in `/repos/{owner}/{repo}` by its names; null if it does not match. */
export function matchPath(template: string, path: string): Record<string, string> | null {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const pattern = template.replaceAll(/\{\w+\}/g, "([^/]+)");
  const found = new RegExp(`^${pattern}$`).exec(path);
  if (!found) return null;
  return Object.fromEntries(
    names.map((name, at) => [name, decodeURIComponent(found[at + 1] ?? "")]),
  );
}

export const notFound: ApiAnswer = { status: 404, body: { message: "Not Found" } };
