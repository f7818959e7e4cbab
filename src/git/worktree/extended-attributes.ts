/**
 * Extended file attributes (xattr(7)). Node has no API for them, so perl makes the system calls; it
 * is part of Debian and most distributions.
 */
import { readSystem, runSystem } from "../process/system-command.js";

/** System call numbers of setxattr(2) and getxattr(2) by architecture. */
const NUMBERS: Partial<Record<string, { set: number; get: number }>> = {
  x64: { set: 188, get: 191 },
  arm64: { set: 5, get: 8 },
};

const SET = 'my $v = "1"; exit(syscall(0 + shift, shift, shift, $v, 1, 0) == 0 ? 0 : 1)';
const GET =
  'my $v = "\\0" x 16; print syscall(0 + shift, shift, shift, $v, 16) >= 0 ? "yes" : "no"';

/** Sets an attribute to `1`. False if the file system or machine does not support it. */
export async function setAttribute(path: string, name: string): Promise<boolean> {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) return false;
  return runSystem("perl", ["-e", SET, "--", String(numbers.set), path, name]).then(
    () => true,
    () => false,
  );
}

/** Tells whether a file has an attribute; null if unknown. */
export async function hasAttribute(path: string, name: string): Promise<boolean | null> {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) return null;
  const args = ["-e", GET, "--", String(numbers.get), path, name];
  const said = await readSystem("perl", args, AbortSignal.timeout(10_000));
  return said === "yes" ? true : said === "no" ? false : null;
}
