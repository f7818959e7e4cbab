import { readFileSync } from "node:fs";
import { join } from "node:path";
import { invalidField } from "../../../errors.js";

const commonPasswords: ReadonlySet<string> = new Set(
  readFileSync(join(import.meta.dirname, "common-passwords.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#")),
);

/**
 * Refuses what is guessed first: the commonest passwords, and what a person's address gives away.
 * @throws AppError 422 naming the field
 */
export function refuseGuessable(password: string, email: string, field: string): void {
  const text = password.toLowerCase();
  if (commonPasswords.has(text)) {
    throw invalidField(field, "is one that many people use; choose another", "common_password");
  }
  const local = email.slice(0, email.lastIndexOf("@"));
  if (text === email || text === local) {
    throw invalidField(field, "is part of the e-mail address; choose another", "own_address");
  }
}
