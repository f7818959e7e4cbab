/** Why a command fails, and its exit code. */
import { ApiError } from "#shared/contract/call.js";
import { cureOf } from "./cures.js";
import { plain } from "./values.js";

export const exitCodes = {
  ok: 0,
  /** The server refused, or the work failed. */
  failed: 1,
  usage: 2,
  signedOut: 3,
  notFound: 4,
  conflict: 5,
  interrupted: 130,
} as const;

/** The command line is wrong. */
export class UsageError extends Error {}

/** No installation is signed in to. */
export class SignedOutError extends Error {}

/** A name that no resource has. */
export class NotFoundError extends Error {}

/** The work itself failed, with the exit code for it. */
export class FailedError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Explains on standard error why a command failed. Returns its exit code. */
export function reportFailure(error: unknown): number {
  const say = (text: string): void => void process.stderr.write(`omoi: ${plain(text, "field")}\n`);
  if (error instanceof ApiError) {
    const { detail, code, errors = [] } = error.problem;
    say(`${detail} (${code})`);
    for (const { loc, msg } of errors)
      process.stderr.write(`  ${plain(`${loc.slice(1).join(".")}: ${msg}`)}\n`);
    const cure = cureOf(error.problem);
    if (cure !== null) process.stderr.write(`  ${plain(cure)}\n`);
    if (error.status === 401) return exitCodes.signedOut;
    if (error.status === 404) return exitCodes.notFound;
    return [409, 412].includes(error.status) ? exitCodes.conflict : exitCodes.failed;
  }
  if (error instanceof UsageError) {
    say(error.message);
    return exitCodes.usage;
  }
  if (error instanceof SignedOutError) {
    say(error.message);
    return exitCodes.signedOut;
  }
  if (error instanceof NotFoundError) {
    say(error.message);
    return exitCodes.notFound;
  }
  if (error instanceof FailedError) {
    if (error.message !== "") say(error.message);
    return error.exitCode;
  }
  const { stack } = error as Error;
  say(stack ?? String(error));
  return exitCodes.failed;
}
