/** Tells the runner of the suite which parts of a network a test file has made: it removes and lists those that are left. */
import { appendFileSync } from "node:fs";

/** @param name its name in the namespace of this machine */
export function recordNetworkPart(kind: "namespace" | "device", name: string): void {
  const path = process.env["SUITE_JOURNAL"];
  if (path === undefined) return;
  const file = process.env["SUITE_FILE"] ?? "";
  appendFileSync(
    path,
    `${JSON.stringify({ pid: process.pid, file, event: "part", kind, name })}\n`,
  );
}
