import { z } from "zod";

type RawIssue = z.core.$ZodRawIssue;

/** What a value of each type is called in messages. */
const typeNames: Record<string, string> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a JSON object",
  record: "a JSON object",
  null: "null",
};

/** What a limit of each kind of value counts. */
const units: Record<string, string> = { string: " characters", array: " entries" };

/**
 * The message of a rule that has none of its own: what to enter, after the name of the field
 * ("name must be a text"). It takes the place of the validator's text.
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
      // The name of a field that the caller chose: the rule that it breaks says what is wrong.
      return issue.issues[0]?.message ?? "has a name that is not allowed";
    case "unrecognized_keys":
      return "is not a field of this call; remove it";
    default:
      return "does not have the form that the API reference gives; correct it";
  }
}

/** A number with its digits in groups of three: "10 000". */
function amount(value: number | bigint): string {
  return String(value).replaceAll(/\B(?=(?:\d{3})+$)/g, " ");
}

/** Whether a field is not there. A whole body is never a missing field. */
function isMissing({ input, path = [] }: RawIssue): boolean {
  return input === undefined && path.length > 0;
}

z.config({ customError: messageOf });
