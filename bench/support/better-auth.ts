import { fork } from "node:child_process";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { apiKey } from "@better-auth/api-key";
import { betterAuth, type Auth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { organization } from "better-auth/plugins";
import pg from "pg";

/** A process with better-auth and its organization plugin, configured for speed. */

export interface BetterAuthOptions {
  databaseUrl: string;
  organizationCount: number;
  /** Members of the first organization; the others have only their creator. */
  memberCount: number;
  /** Where API keys are stored: in the database (default), or in memory. */
  keys?: "database" | "memory";
}

/** Its URLs and credentials: an API key, and a session cached in its cookie. */
export interface BetterAuthAddress {
  origin: string;
  key: string;
  cookie: string;
  organizationId: string;
  /** POST {key}: verifies a key through its server-side API, which has no route. */
  verifyUrl: string;
}

const file = fileURLToPath(import.meta.url);

/** Serves better-auth in a separate process, filled with organizations. */
export function startBetterAuth(
  options: BetterAuthOptions,
): Promise<BetterAuthAddress & { stop(): void }> {
  return new Promise((resolve, reject) => {
    const child = fork(file, {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      env: { ...process.env, NODE_ENV: "production", BETTER_AUTH_TELEMETRY: "0" },
    });
    child.once("message", (address) => {
      resolve({ ...(address as BetterAuthAddress), stop: () => child.kill("SIGTERM") });
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`better-auth ended with ${code}`)));
    child.send(options);
  });
}

/** Keeps keys in this process only, without waiting for storage. */
function inMemory() {
  const memory = new Map<string, string>();
  const get = (name: string): string | null => memory.get(name) ?? null;
  const remove = (name: string): null => {
    memory.delete(name);
    return null;
  };
  return {
    get,
    getAndDelete: (name: string) => {
      const value = get(name);
      remove(name);
      return value;
    },
    increment: (name: string) => {
      const count = Number(get(name)) + 1;
      memory.set(name, String(count));
      return count;
    },
    set: (name: string, value: string) => void memory.set(name, value),
    delete: remove,
  };
}

function configure(databaseUrl: string, baseURL: string, keys: BetterAuthOptions["keys"]) {
  return {
    database: new pg.Pool({ connectionString: databaseUrl, max: 10 }),
    baseURL,
    secret: "a secret for the benchmark, of no use elsewhere",
    emailAndPassword: { enabled: true },
    // As in its performance guide: no session query, and joins instead of separate queries.
    session: { cookieCache: { enabled: true, maxAge: 60 * 60 } },
    advanced: { database: { joins: true } },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: "error" },
    plugins: [
      organization({ organizationLimit: 1000, membershipLimit: 1000 }),
      apiKey({
        enableSessionForAPIKeys: true,
        deferUpdates: true,
        rateLimit: { enabled: false },
        ...(keys === "memory"
          ? { storage: "secondary-storage" as const, customStorage: inMemory() }
          : {}),
      }),
    ],
  } satisfies Parameters<typeof betterAuth>[0];
}

async function serve(options: BetterAuthOptions): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const origin = `http://127.0.0.1:${port}`;
  const settings = configure(options.databaseUrl, origin, options.keys);
  await (await getMigrations(settings)).runMigrations();
  const auth = betterAuth(settings);
  const handle = toNodeHandler(auth);
  server.on("request", (incoming, outgoing) => {
    if (incoming.url !== "/verify-key") return void handle(incoming, outgoing);
    void json(incoming)
      .then((body) => auth.api.verifyApiKey({ body: body as { key: string } }))
      .then((answer) => {
        outgoing.setHeader("content-type", "application/json");
        outgoing.end(JSON.stringify(answer));
      });
  });
  const filled = await fill(auth, options);
  const verifyUrl = `${origin}/verify-key`;
  process.send?.({ origin, verifyUrl, ...filled } satisfies BetterAuthAddress);
}

/** Inserts one person with organizations, and further members of the first one. */
async function fill(
  auth: Auth<ReturnType<typeof configure>>,
  { organizationCount, memberCount }: BetterAuthOptions,
): Promise<Omit<BetterAuthAddress, "origin" | "verifyUrl">> {
  const { headers, response } = await auth.api.signUpEmail({
    body: { name: "Bench", email: "bench@example.com", password: "correct staple bench" },
    returnHeaders: true,
  });
  const userId = response.user.id;
  const ids: string[] = [];
  for (let number = 1; number <= organizationCount; number += 1) {
    const body = { name: `Organization ${number}`, slug: `organization-${number}`, userId };
    const made = await auth.api.createOrganization({ body });
    if (made) ids.push(made.id);
  }
  const organizationId = ids[0] as string;
  const { internalAdapter } = await auth.$context;
  for (let number = 2; number <= memberCount; number += 1) {
    const person = { name: `Person ${number}`, email: `person-${number}@example.com` };
    const { id } = await internalAdapter.createUser(person, { method: "admin" });
    await auth.api.addMember({ body: { userId: id, organizationId, role: "member" } });
  }
  const { key } = await auth.api.createApiKey({ body: { userId, name: "Bench" } });
  const cookie = headers
    .getSetCookie()
    .map((text) => text.split(";", 1)[0])
    .join("; ");
  return { key, cookie, organizationId };
}

if (process.argv[1] === file) {
  process.once("message", (options) => void serve(options as BetterAuthOptions));
}
