/**
 * Extended attributes of files (xattr(7)). Node has no calls for them, so perl makes the system's: it is
 * part of Debian and of most distributions.
 */
import { readSystem, runSystem } from "../process/system-command.js";

/** The numbers of setxattr(2) and getxattr(2), by the machine's kind. */
const NUMBERS: Partial<Record<string, { set: number; get: number }>> = {
  x64: { set: 188, get: 191 },
  arm64: { set: 5, get: 8 },
};

const SET = 'my $v = "1"; exit(syscall(0 + shift, shift, shift, $v, 1, 0) == 0 ? 0 : 1)';
const GET =
  'my $v = "\\0" x 16; print syscall(0 + shift, shift, shift, $v, 16) >= 0 ? "yes" : "no"';

/** Sets an attribute to `1`. False where the file system or the machine has none. */
export async function setAttribute(path: string, name: string): Promise<boolean> {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) return false;
  return runSystem("perl", ["-e", SET, "--", String(numbers.set), path, name]).then(
    () => true,
    () => false,
  );
}

/** Whether a file has an attribute; null where that cannot be told. */
export async function hasAttribute(path: string, name: string): Promise<boolean | null> {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) return null;
  const args = ["-e", GET, "--", String(numbers.get), path, name];
  const said = await readSystem("perl", args, AbortSignal.timeout(10_000));
  return said === "yes" ? true : said === "no" ? false : null;
}
