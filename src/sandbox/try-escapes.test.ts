import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { agentUid, describeEachSandbox } from "#test/support/sandbox/test-sandbox.js";
import { openSandbox } from "./open-sandbox.js";
import type { Sandbox } from "./sandbox.js";
import { tryEscapes } from "./try-escapes.js";

const names = [
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

const open = (dataDir: string, setting: "required" | "gvisor" | "off"): Promise<Sandbox> =>
  openSandbox({
    dataDir,
    sandbox: setting,
    agentUid,
    networkUid: 60_860,
    sandboxReadOnly: [],
  });

/** Files that the attempts could leave behind. */
const leftIn = (dataDir: string): string[] =>
  ["/", "/usr", "/etc", "/opt", "/var", "/home", "/root", "/srv", dataDir].flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith("omoi-doctor")) : [],
  );

describeEachSandbox("the list of escapes", ({ setting }) => {
  let dataDir: string;
  let sandbox: Sandbox;
  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "omoi-escapes-"));
    sandbox = await open(dataDir, setting);
  });
  afterAll(async () => {
    await sandbox.close();
    rmSync(dataDir, { recursive: true, force: true });
  });

  test("is refused as a whole, and leaves nothing", async () => {
    const before = readdirSync(join(dataDir, "sandbox"));
    const found = await tryEscapes(sandbox, dataDir, new AbortController().signal);
    expect(found).toEqual(names.map((name) => ({ name, escape: null })));
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
});

test("without a sandbox, escapes succeed, are reported, and leave nothing", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "omoi-escapes-"));
  const sandbox = await open(dataDir, "off");
  try {
    const found = await tryEscapes(sandbox, dataDir, new AbortController().signal);
    expect(found.map(({ name }) => name)).toEqual(names);
    const escapes = new Map(found.map(({ name, escape }) => [name, escape]));
    expect(escapes.get("connect to a port of the server's loopback")).toBe("it connected");
    expect(escapes.get("gain privileges")).toBe("programs with the setuid bit give it rights");
    expect(leftIn(dataDir)).toEqual([]);
  } finally {
    await sandbox.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
