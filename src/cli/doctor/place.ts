import type { Connection } from "../connection/connect.js";

/** The installation that is checked, as its users reach it. */
export interface Place {
  /** The public address, which has no path. */
  url: URL;
  /** The sign-in; null where it is not at the public address: a credential goes nowhere else. */
  connection: Connection | null;
  /** Whether the sign-in is that of a super admin. */
  isSuperAdmin: boolean;
  /** The version of this command. */
  version: string;
}

/** Time for a check from outside, milliseconds. */
export const OUTSIDE_MS = 20_000;
/** Time for one connection or answer, milliseconds. */
export const ANSWER_MS = 10_000;

export const hostOf = (url: URL): string => url.hostname.replaceAll(/[[\]]/g, "");
export const portOf = (url: URL): number =>
  url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
