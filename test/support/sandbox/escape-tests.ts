import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openSandbox } from "#sandbox/open-sandbox.js";
import type { Sandbox } from "#sandbox/sandbox.js";
import { tryEscapes } from "#sandbox/try-escapes.js";
import { agentUid, type SandboxKind } from "./test-sandbox.js";

export const escapeNames = [
  "read a file of the data folder",
  "see the server's process and its environment",
  "write outside of the workspace",
  "connect to a port of the server's loopback",
  "reach a network, such as a cloud's metadata service",
  "gain privileges",
  "mount a file system",
  "start more processes than its limit",
  "use more memory than its limit",
  "write more than its disk limit",
];

export const openFor = (
  dataDir: string,
  setting: "required" | "gvisor" | "off",
): Promise<Sandbox> =>
  openSandbox({
    dataDir,
    sandbox: setting,
    agentUid,
    networkUid: 60_860,
    sandboxReadOnly: [],
  });

/** Files that the attempts could leave behind. */
export const leftIn = (dataDir: string): string[] =>
  ["/", "/usr", "/etc", "/opt", "/var", "/home", "/root", "/srv", dataDir].flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("omoi-doctor")) : [],
  );

/** The tests of the escapes from a sandbox of one kind. */
export function testEscapes({ setting }: SandboxKind): void {
  let dataDir: string;
  let sandbox: Sandbox;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "omoi-escapes-"));
    sandbox = await openFor(dataDir, setting);
  });
  afterAll(async () => {
    await sandbox.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test("is refused as a whole, and leaves nothing", async () => {
    const before = readdirSync(join(dataDir, "sandbox"));
    const found = await tryEscapes(sandbox, dataDir, new AbortController().signal);
    expect(found).toEqual(escapeNames.map((name) => ({ name, escape: null })));
    expect(readdirSync(join(dataDir, "sandbox"))).toEqual(before);
    expect(leftIn(dataDir)).toEqual([]);
  });

  test("ends with its signal, and leaves nothing", async () => {
    const stop = new AbortController();
    const before = readdirSync(join(dataDir, "sandbox"));
    const trying = tryEscapes(sandbox, dataDir, stop.signal);
    stop.abort(new Error("stopped"));
    await expect(trying).rejects.toThrow();
    expect(readdirSync(join(dataDir, "sandbox"))).toEqual(before);
  });
}
