/** `omoi login`, `logout`, `whoami` and `context`. */
import { hostname } from "node:os";
import { text as readAll } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import type { Command } from "commander";
import { ApiError } from "#shared/contract/call.js";
import { changeConfig, configPath, type Context, readConfig } from "../connection/config.js";
import { addressOf, clientFor, connect } from "../connection/connect.js";
import { FailedError, SignedOutError, UsageError } from "../output/failures.js";
import { note, warn, printItem, printJson, printRows, writeLine } from "../output/print.js";
import { styled } from "../output/style.js";
import { plain } from "../output/values.js";
import { openBrowser } from "../run-program.js";
import { addCommon, type CommonOptions } from "./common-options.js";

interface LoginOptions {
  token?: string | boolean;
  name?: string;
  org?: string;
  browser: boolean;
}

export function addSignIn(program: Command): void {
  program
    .command("login")
    .description("Sign in to an installation")
    .argument("[URL]", "its address; by default that of the current context")
    .option(
      "--token [TOKEN]",
      "an API key or access token instead of the browser; read from standard input without a value",
    )
    .option("--name <NAME>", "the name of the context; by default the host")
    .option("--org <ORG>", "the organization that commands are about")
    .option("--no-browser", "do not open the browser")
    .addHelpText(
      "after",
      `
Examples:
  omoi login https://omoi.example.com
  omoi login https://omoi.example.com --token < key.txt`,
    )
    .action(login);
  program
    .command("logout")
    .description("Forget an installation, and revoke the key that omoi login made")
    .option("--context <NAME>", "the installation, instead of the current one")
    .action(logout);
  addCommon(
    program
      .command("whoami")
      .description("Show who is signed in, where, and in which organization"),
  ).action(whoami);
  addContext(program.command("context").description("The installations that you are signed in to"));
}

async function login(url: string | undefined, options: LoginOptions): Promise<void> {
  const { current, contexts } = readConfig();
  const known = current === null ? undefined : contexts[current]?.url;
  const wanted = url ?? process.env["OMOI_URL"] ?? known;
  if (wanted === undefined) {
    throw new UsageError("Name the server: omoi login https://omoi.example.com");
  }
  const address = addressOf(wanted);
  const { token, key_id } =
    options.token === undefined || options.token === false
      ? await signInByBrowser(address, options.browser)
      : { token: await givenToken(options.token), key_id: null };
  const api = clientFor({ url: address, token });
  const { data: me } = await api.auth.me().catch((error: unknown) => {
    // A key of an agent or a service account has no person.
    if (error instanceof ApiError && error.status === 403) return { data: null };
    throw error;
  });
  const { data: organizations } = await api.organizations.list({ query: { limit: 2 } });
  const [only, another] = organizations;
  const organization =
    options.org !== undefined
      ? (await api.organizations.get({ params: { org_id: options.org } })).data
      : only && !another
        ? only
        : null;
  const name = options.name ?? new URL(address).host;
  const context: Context = {
    url: address,
    token,
    key_id,
    user: me?.email ?? null,
    organization: organization?.slug ?? null,
    organization_id: organization?.id ?? null,
  };
  const before = contexts[name];
  changeConfig((config) => {
    config.contexts[name] = context;
    config.current = name;
  });
  if (before && before.token !== token) await revoke(before);
  writeLine(`Signed in to ${address}${me ? ` as ${plain(me.email)}` : ""}.`);
  if (organization) writeLine(`Organization: ${organization.slug}`);
  else if (organizations.length > 1) {
    writeLine("Choose an organization with omoi context use-org SLUG; omoi org list shows yours.");
  }
}

async function givenToken(given: string | true): Promise<string> {
  const token = given === true ? (await readAll(process.stdin)).trim() : given;
  if (token === "") throw new UsageError("--token needs a key, as its value or on standard input.");
  return token;
}

interface DeviceCode {
  device_code: string;
  user_code: string;
  verification_uri: string;
  verification_uri_complete: string;
  expires_in: number;
  interval: number;
}

/** Signs in by a code that the person confirms in a browser (RFC 8628). */
async function signInByBrowser(
  url: string,
  opensBrowser: boolean,
): Promise<{ token: string; key_id: string }> {
  const { deviceLogin } = clientFor({ url, token: null });
  const { data } = await deviceLogin.start({ body: { client_name: hostname().slice(0, 100) } });
  const {
    device_code,
    user_code,
    verification_uri,
    verification_uri_complete,
    expires_in,
  }: DeviceCode = data;
  process.stderr.write(
    `Open ${styled("bold", verification_uri)} and enter the code ${styled("bold", user_code)}\n`,
  );
  if (opensBrowser && process.stderr.isTTY) openBrowser(verification_uri_complete);
  let { interval } = data;
  for (const end = Date.now() + expires_in * 1000; Date.now() < end;) {
    await pause(interval * 1000);
    try {
      const { data: made } = await deviceLogin.token({ body: { device_code } });
      return { token: made.key, key_id: made.api_key.id };
    } catch (error) {
      const code: string = error instanceof ApiError ? error.code : "";
      if (code === "slow_down") interval += 5;
      else if (code !== "authorization_pending") throw error;
    }
  }
  throw new FailedError("The code has expired; run omoi login again.");
}

async function logout({ context: wanted }: { context?: string }): Promise<void> {
  const { current, contexts } = readConfig();
  const name = wanted ?? current;
  const found = name === null ? undefined : contexts[name];
  if (name === null || !found) throw new SignedOutError("You are not signed in.");
  const { url } = found;
  await revoke(found);
  changeConfig((config) => {
    delete config.contexts[name];
    if (config.current === name) config.current = Object.keys(config.contexts)[0] ?? null;
  });
  writeLine(`Signed out of ${url}.`);
}

/** Ends the access of a context: the key that omoi login made, or the session of a token. */
async function revoke({ url, token, key_id }: Context): Promise<void> {
  const api = clientFor({ url, token });
  try {
    if (key_id !== null) await api.apiKeys.revoke({ params: { key_id } });
    else if (token.startsWith("oat_")) await api.auth.logout();
  } catch (error) {
    // An invalid key needs no revocation; if the server is unreachable, the key stays valid.
    if (error instanceof ApiError && [401, 404].includes(error.status)) return;
    warn(`The earlier key could not be revoked: ${(error as Error).message}`);
  }
}

async function whoami(options: CommonOptions): Promise<void> {
  const { api, url, organization } = connect(options);
  const { data: me } = await api.auth.me();
  printItem(
    options.json === true
      ? { ...me, url, organization }
      : {
          email: me.email,
          full_name: me.full_name,
          id: me.id,
          url,
          organization,
          super_admin: me.is_super_admin || null,
        },
    options,
  );
}

function addContext(context: Command): void {
  context
    .command("list")
    .alias("ls")
    .description("List the installations; * marks the current one")
    .option("--json", "print JSON, without tokens")
    .action(({ json }: { json?: boolean }) => {
      const { current, contexts } = readConfig();
      const rows = Object.entries(contexts).map(([name, { url, user, organization }]) => ({
        current: name === current,
        name,
        url,
        user,
        organization,
      }));
      if (json === true) printJson(rows);
      else {
        printRows(
          rows.map((row) => ({ ...row, current: row.current ? "*" : "" })),
          ["current", "name", "url", "user", "organization"],
          {},
        );
      }
    });
  context
    .command("use")
    .description("Make an installation the current one")
    .argument("<NAME>", "as omoi context list shows it")
    .action((name: string) => {
      changeConfig((config) => {
        if (!config.contexts[name]) throw new UsageError(`There is no context ${name}.`);
        config.current = name;
      });
      note(`Commands are now about ${name}.`);
    });
  context
    .command("use-org")
    .description("Choose the organization that commands are about")
    .argument("<ORG>", "slug or id")
    .option("--context <NAME>", "the installation, instead of the current one")
    .action(async (org: string, { context: wanted }: { context?: string }) => {
      const { api } = connect({ context: wanted });
      const { data } = await api.organizations.get({ params: { org_id: org } });
      changeConfig((config) => {
        const found = config.contexts[wanted ?? config.current ?? ""];
        if (!found) throw new UsageError("OMOI_TOKEN is in use; set OMOI_ORG instead.");
        found.organization = data.slug;
        found.organization_id = data.id;
      });
      note(`Commands are now about ${data.slug}.`);
    });
  context
    .command("path")
    .description("Show where the configuration is kept")
    .action(() => writeLine(configPath()));
}
