/** `omoi doctor`: tries the installation from outside, through its proxy, and lets its servers try themselves. */
import type { Command } from "commander";
import type { DoctorCheck } from "#shared/api/operation/doctor.js";
import { ApiError } from "#shared/contract/call.js";
import { runCheck, type Check } from "#shared/node/doctor-check.js";
import { addCommon, type CommonOptions } from "../commands/common-options.js";
import { connect, type Connection } from "../connection/connect.js";
import { exitCodes } from "../output/failures.js";
import { interrupted } from "../output/interrupt.js";
import { note, printJson, writeLine } from "../output/print.js";
import { styled, type Style } from "../output/style.js";
import { plain } from "../output/values.js";
import { addresses } from "./addresses.js";
import { largeBodies } from "./bodies.js";
import { clientAddress } from "./caller.js";
import { certificate } from "./certificate.js";
import { redirect, strictTransport } from "./plain-http.js";
import type { Place } from "./place.js";
import { push } from "./push.js";
import { streams } from "./streams.js";
import { version } from "./version.js";

interface DoctorOptions extends CommonOptions {
  quick?: boolean;
  mailTo?: string;
}

/** @param own the version of this command */
export function addDoctor(program: Command, own: string): void {
  addCommon(
    program
      .command("doctor")
      .description("Try the installation from outside and inside, and name the cure of each fault")
      .option("--quick", "leave out the push of 100 MB")
      .option("--mail-to <ADDRESS>", "send a test email there; by default none is sent"),
  )
    .addHelpText(
      "after",
      `
It needs a super admin who is signed in at the public address (omoi login), and nothing of it stays.
The push goes into a scratch project of the organization (--org), which is deleted.

Examples:
  omoi doctor
  omoi doctor --quick
  omoi doctor --mail-to ann@example.com
  omoi doctor --json > report.json

Exit codes: 0 no check failed, 1 one failed, 2 wrong usage, 3 not signed in, 130 interrupted.`,
    )
    .action((options: DoctorOptions) => doctor(options, own));
}

async function doctor(options: DoctorOptions, own: string): Promise<void> {
  const connection = connect(options);
  const stop = stopBySignal();
  const checks: DoctorCheck[] = [];
  const add = (check: DoctorCheck): void => {
    checks.push(check);
    if (options.json !== true && options.quiet !== true) writeLine(shown(check));
  };
  const signIn = await trySignIn(connection);
  add(signIn.check);
  const place: Place = { ...signIn, version: own };
  for (const check of outsideChecks(place)) {
    const done = await runCheck(check, null, stop);
    if (stop.aborted) break;
    add(done);
  }
  if (place.isSuperAdmin && !stop.aborted) {
    note("The servers check themselves, for a minute at most…");
    const found = await askServers(connection, options.mailTo, stop);
    if (!stop.aborted) found.forEach(add);
  }
  if (place.connection !== null && options.quick !== true && !stop.aborted) {
    add(await runCheck(push(place.connection), null, stop));
  }
  if (options.json === true) printJson({ url: place.url.origin, checks });
  if (stop.aborted) process.exitCode = exitCodes.interrupted;
  else process.exitCode = checks.some(isFailed) ? exitCodes.failed : exitCodes.ok;
}

const isFailed = ({ status }: DoctorCheck): boolean => status === "failed";

const outsideChecks = (place: Place): Check[] => [
  addresses(place),
  certificate(place),
  redirect(place),
  strictTransport(place),
  version(place),
  largeBodies(place),
  ...(place.connection !== null && place.isSuperAdmin
    ? [clientAddress(place, place.connection)]
    : []),
  ...(place.connection !== null ? [streams(place.connection)] : []),
];

/** Lets the checks end and undo what they did; a second signal ends the command at once. */
function stopBySignal(): AbortSignal {
  const stop = new AbortController();
  process.off("SIGINT", interrupted);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(name, () => {
      note("Stopping, and deleting the scratch project…");
      stop.abort(new Error("stopped"));
    });
  }
  return stop.signal;
}

/** Finds the public address, and whether the caller is signed in there, as a super admin. */
async function trySignIn(
  connection: Connection,
): Promise<Omit<Place, "version"> & { check: DoctorCheck }> {
  const entry = {
    name: "sign-in",
    server: null,
    tried: `Ask ${connection.url} for its public address, as a super admin`,
  };
  const here = { url: new URL(connection.url), connection, isSuperAdmin: false };
  try {
    const { data } = await connection.api.doctor.request();
    const url = new URL(data.public_url);
    if (url.origin === connection.url) {
      const check: DoctorCheck = { ...entry, status: "ok", seen: url.origin, cure: null };
      return { ...here, check, isSuperAdmin: true };
    }
    const seen = `people reach it at ${url.origin}, where you are not signed in: some checks are left out`;
    const cure = `Run omoi login ${url.origin}, or correct OMOI_PUBLIC_URL.`;
    const check: DoctorCheck = { ...entry, status: "warning", seen, cure };
    return { url, connection: null, check, isSuperAdmin: true };
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) throw error;
    const isRefused = error instanceof ApiError && error.status === 404;
    const check: DoctorCheck = {
      ...entry,
      status: "failed",
      seen: isRefused
        ? "it refuses: you are no super admin, your key has scopes, or the server is older"
        : (error as Error).message,
      cure: isRefused
        ? "Sign in as a super admin (omoi login), whom omoi admin user promote EMAIL makes on the server's machine."
        : "Start Omoi and the proxy, and check the address (omoi context list).",
    };
    return { ...here, connection: isRefused ? connection : null, check };
  }
}

/** Asks the servers for their own checks. */
async function askServers(
  { api }: Connection,
  mailTo: string | undefined,
  signal: AbortSignal,
): Promise<DoctorCheck[]> {
  try {
    const body = mailTo === undefined ? {} : { mail_to: mailTo };
    return (await api.doctor.run({ body }, { signal })).data.checks;
  } catch (error) {
    const check = {
      name: "servers",
      server: null,
      status: "failed" as const,
      tried: "Ask the servers for their own checks",
      seen: error instanceof ApiError ? error.problem.detail : (error as Error).message,
      cure: "Try again; the log of the server has the cause of an error.",
    };
    return [check];
  }
}

const styles: Record<DoctorCheck["status"], Style> = {
  ok: "green",
  warning: "yellow",
  failed: "red",
  skipped: "dim",
};

/** A check in a line, and its cure below. */
function shown({ name, server, status, tried, seen, cure }: DoctorCheck): string {
  const place = server === null ? "" : ` (${plain(server)})`;
  const line = `${styled(styles[status], status.padEnd(7))}  ${plain(name)}${place}: ${plain(tried)}: ${plain(seen)}`;
  return cure === null ? line : `${line}\n         → ${plain(cure)}`;
}
