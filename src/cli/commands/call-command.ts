/** The description of a command that makes one call. */
import type { CallName } from "#shared/contract/client.js";
import type { Format, Row } from "../output/print.js";

export interface CallCommand {
  /** The words after `omoi`. */
  command: string;
  /** The fields given as arguments, in order; `?` marks one that may be left out. By default those of the path. */
  args?: readonly string[];
  /** The columns of a list; by default the first fields. */
  columns?: readonly string[];
  /** Values of fields of the body that are not given. */
  defaults?: Readonly<Record<string, string>>;
  /** The field that is read from standard input unless it is given. */
  stdin?: string;
  /** Whether it cannot be undone: a person confirms it, a script says `--yes`. */
  confirms?: boolean;
  /** Whether it waits until what it has made is ready. */
  waits?: boolean;
  /** The same call for a project, by the option `--project`. */
  ofProject?: CallName;
  /** The same list for the organization, without the first argument; its rows name their agents. */
  ofOrganization?: CallName;
  /** Prints the response for people; by default all its fields. */
  print?: (item: Row, format: Format) => void;
  /** Examples without `omoi`. */
  examples?: readonly string[];
}

/** Why a call has no command. */
export interface WithoutCommand {
  reason: string;
}

export const byOrganization: WithoutCommand = {
  reason: "The command of the organization has --project.",
};
export const written = (command: string): WithoutCommand => ({
  reason: `omoi ${command} makes it.`,
});
