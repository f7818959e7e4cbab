import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { escapeNames, leftIn, openFor, testEscapes } from "#test/support/sandbox/escape-tests.js";
import { describeBubblewrap } from "#test/support/sandbox/test-sandbox.js";
import { tryEscapes } from "./try-escapes.js";

describeBubblewrap("the list of escapes", testEscapes);

test("without a sandbox, escapes succeed, are reported, and leave nothing", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "omoi-escapes-"));
  const sandbox = await openFor(dataDir, "off");
  try {
    const found = await tryEscapes(sandbox, dataDir, new AbortController().signal);
    expect(found.map(({ name }) => name)).toEqual(escapeNames);
    const escapes = new Map(found.map(({ name, escape }) => [name, escape]));
    expect(escapes.get("connect to a port of the server's loopback")).toBe("it connected");
    expect(escapes.get("gain privileges")).toBe("programs with the setuid bit give it rights");
    expect(leftIn(dataDir)).toEqual([]);
  } finally {
    await sandbox.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
