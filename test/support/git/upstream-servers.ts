/** Realistic upstreams: git behind HTTPS with passwords, and behind SSH with keys. */
import { spawn } from "node:child_process";
import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { join } from "node:path";
import ssh2, { type AuthContext, type Connection, type ServerChannel } from "ssh2";
import { generateSshKey } from "#git/upstream/ssh-key.js";

const certificates = join(import.meta.dirname, "upstream-certificate");
/**
 * The certificate authority of the HTTPS upstream, valid for `127.0.0.1`, `localhost` and
 * `upstream.test`.
 */
export const upstreamCaFile = join(certificates, "certificate.pem");

interface Upstream {
  port: number;
  close(): Promise<void>;
}

export interface HttpsUpstream extends Upstream {
  url(path: string): string;
  /** Passwords by user; without users, access is public. */
  users: Map<string, string>;
  /** A fixed response to every request. */
  answer: { status: number; headers?: Record<string, string> } | null;
  /** Awaited before each request is answered. */
  gate: (request: IncomingMessage) => Promise<void>;
  /** Requested paths, in order. */
  readonly asked: string[];
}

/** Serves git's HTTP backend below `root`, behind basic authentication. */
export async function startHttpsUpstream(root: string): Promise<HttpsUpstream> {
  const server = createHttpsServer(
    {
      key: readFileSync(join(certificates, "key.pem")),
      cert: readFileSync(upstreamCaFile),
    },
    (request, response) => {
      void answerTo(request, response).catch(() => response.destroy());
    },
  );
  const upstream: HttpsUpstream = {
    port: await listen(server),
    url: (path) => `https://127.0.0.1:${upstream.port}/${path}`,
    users: new Map(),
    answer: null,
    gate: async () => undefined,
    asked: [],
    close: () => closed(server, () => server.closeAllConnections()),
  };

  async function answerTo(request: IncomingMessage, response: ServerResponse): Promise<void> {
    upstream.asked.push(request.url ?? "");
    await upstream.gate(request);
    if (upstream.answer !== null) {
      const { status, headers = {} } = upstream.answer;
      response.writeHead(status, headers).end("no\n");
      return;
    }
    const login = /^Basic (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const [name = "", ...rest] = Buffer.from(login, "base64").toString().split(":");
    const isKnown = upstream.users.has(name) && upstream.users.get(name) === rest.join(":");
    if (upstream.users.size > 0 && !isKnown) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="upstream"' }).end("no\n");
      return;
    }
    serveGit(root, name || "anonymous", request, response);
  }
  return upstream;
}

/** Handles one CGI request (RFC 3875). */
export function serveGit(
  root: string,
  user: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  // The client may have left before this request was let through.
  if (response.destroyed) return;
  const url = new URL(request.url ?? "/", "https://upstream.test");
  const child = spawn("git", ["http-backend"], {
    env: {
      ...cleanEnv(),
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      REMOTE_USER: user,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? "GET",
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  request.pipe(child.stdin).on("error", () => undefined);
  // `git http-backend` starts further processes.
  response.on("close", () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  });
  let head = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end === -1) return;
    child.stdout.off("data", read);
    const fields = head
      .subarray(0, end)
      .toString("latin1")
      .split("\r\n")
      .map((line) => line.split(": ") as [string, string]);
    const status = Number(fields.find(([name]) => name === "Status")?.[1]?.slice(0, 3) ?? 200);
    response.writeHead(status, Object.fromEntries(fields.filter(([name]) => name !== "Status")));
    response.write(head.subarray(end + 4));
    child.stdout.pipe(response);
  };
  child.stdout.on("data", read);
  child.on("close", () => response.end());
}

export interface SshUpstream extends Upstream {
  url(path: string): string;
  /** Accepted public keys, as lines. */
  readonly allowed: Set<string>;
  /** The line of the host key. */
  readonly hostKey: string;
  /** Executed commands, in order. */
  readonly commands: string[];
  /** Awaited before each command runs. */
  gate: (command: string) => Promise<void>;
}

/** In the property names of ssh2. */
function hostKeyPair(): { private: string; public: string } {
  const made = generateSshKey("host");
  return { private: made.privateKey, public: made.publicKey };
}

/** Serves git over SSH below `root`, as user `git`, with public key authentication only. */
export async function startSshUpstream(
  root: string,
  { port = 0, type = "ed25519" }: { port?: number; type?: "ed25519" | "rsa" } = {},
): Promise<SshUpstream> {
  const key =
    type === "rsa" ? ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 }) : hostKeyPair();
  const connections = new Set<Connection>();
  const server = new ssh2.Server({ hostKeys: [key.private] }, (connection) => {
    connections.add(connection);
    connection.on("error", () => undefined);
    connection.on("close", () => connections.delete(connection));
    connection.on("authentication", (context) => {
      if (isAllowed(context, upstream.allowed)) context.accept();
      else context.reject(["publickey"]);
    });
    connection.on("session", (acceptSession) => {
      const session = acceptSession();
      const env: Record<string, string> = {};
      session.on("env", (accept, _reject, { key: name, val }) => {
        if (name === "GIT_PROTOCOL") env[name] = val;
        accept?.();
      });
      session.on("exec", (accept, _reject, { command }) => {
        const channel = accept();
        upstream.commands.push(command);
        void upstream.gate(command).then(() => runGitThere(root, command, channel, env));
      });
    });
  });
  const upstream: SshUpstream = {
    port: await listen(server, port),
    url: (path) => `ssh://git@127.0.0.1:${upstream.port}/${path}`,
    allowed: new Set(),
    hostKey: key.public.trim().split(" ").slice(0, 2).join(" "),
    commands: [],
    gate: async () => undefined,
    close: () =>
      closed(server, () => {
        for (const connection of connections) connection.end();
      }),
  };
  return upstream;
}

function isAllowed(context: AuthContext, allowed: ReadonlySet<string>): boolean {
  if (context.method !== "publickey" || context.username !== "git") return false;
  for (const line of allowed) {
    const key = ssh2.utils.parseKey(line);
    if (key instanceof Error) continue;
    const wanted = key.getPublicSSH();
    const { data } = context.key;
    if (wanted.length !== data.length || !timingSafeEqual(wanted, data)) continue;
    // A client first asks whether the key is acceptable, then proves possession.
    if (context.signature === undefined || context.blob === undefined) return true;
    return key.verify(context.blob, context.signature, context.hashAlgo);
  }
  return false;
}

function runGitThere(
  root: string,
  command: string,
  channel: ServerChannel,
  env: Record<string, string>,
): void {
  const [, service = "", path = ""] = /^git-(upload-pack|receive-pack) '(.*)'$/.exec(command) ?? [];
  if (service === "") {
    channel.stderr.end("no such command\n");
    channel.exit(127);
    channel.end();
    return;
  }
  const child = spawn("git", [service, join(root, path)], {
    env: { ...cleanEnv(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  channel.pipe(child.stdin).on("error", () => undefined);
  channel.on("close", () => child.kill("SIGKILL")).on("error", () => undefined);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  child.on("close", (code) => {
    channel.exit(code ?? 1);
    channel.end();
  });
}

const cleanEnv = (): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  LC_ALL: "C",
});

async function listen(server: Server, port = 0): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function closed(server: Server, cutOff: () => void): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    cutOff();
  });
}
