import { readFileSync } from "node:fs";
import { join } from "node:path";
import { invalidField } from "../../../../errors.js";

const commonPasswords: ReadonlySet<string> = new Set(
  readFileSync(join(import.meta.dirname, "common-passwords.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#")),
);

/**
 * Rejects the most common passwords and parts of the user's address.
 * @throws AppError 422 naming the field
 */
export function rejectGuessablePassword(password: string, email: string, field: string): void {
  const text = password.toLowerCase();
  if (commonPasswords.has(text)) {
    throw invalidField(field, "is a commonly used password; choose another", "common_password");
  }
  const local = email.slice(0, email.lastIndexOf("@"));
  if (text === email || text === local) {
    throw invalidField(field, "is part of the email address; choose another", "own_address");
  }
}
