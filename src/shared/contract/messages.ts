import { z } from "zod";

type RawIssue = z.core.$ZodRawIssue;

/** The names of types in messages. */
const typeNames: Record<string, string> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a JSON object",
  record: "a JSON object",
  null: "null",
};

/** The units of limits by type. */
const units: Record<string, string> = { string: " characters", array: " entries" };

/**
 * Returns the default message of a failed rule: what to enter, to be read after the field's name
 * ("name must be text"). Replaces the validator's text.
 */
export function messageOf(issue: RawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return isMissing(issue)
        ? "is required"
        : `must be ${typeNames[issue.expected] ?? issue.expected}`;
    case "too_small":
      if (issue.origin === "string" && issue.minimum === 1) return "must not be empty";
      return `must be at least ${amount(issue.minimum)}${units[issue.origin] ?? ""}`;
    case "too_big":
      return `must be at most ${amount(issue.maximum)}${units[issue.origin] ?? ""}`;
    case "invalid_value":
      return issue.values.length === 1
        ? `must be ${JSON.stringify(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(", ")}`;
    case "invalid_key":
      // A field name chosen by the caller: the failed rule has the message.
      return issue.issues[0]?.message ?? "has a name that is not allowed";
    case "unrecognized_keys":
      return "is not a field of this call; remove it";
    default:
      return "does not have the form given in the API reference; correct it";
  }
}

/** Formats a number with digits in groups of three: "10 000". */
function amount(value: number | bigint): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, " ");
}

/** Tells whether a field is missing. A whole body never counts as missing. */
function isMissing({ input, path = [] }: RawIssue): boolean {
  return input === undefined && path.length > 0;
}

z.config({ customError: messageOf });
