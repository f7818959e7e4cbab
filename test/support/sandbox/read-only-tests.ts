import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestSandbox, type SandboxKind, type TestSandbox } from "./test-sandbox.js";

/** The tests of folders of the server that a command may read. */
export function testReadOnlyFolders({ setting }: SandboxKind): void {
  let sandbox: TestSandbox;
  beforeAll(async () => {
    sandbox = await openTestSandbox({ sandbox: setting });
  });
  afterAll(() => sandbox.close());

  const folder = (name: string): string => {
    const path = join(sandbox.dataDir, name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    writeFileSync(join(path, "file"), `${name}\n`, { mode: 0o666 });
    return path;
  };

  test("are readable at their paths and not writable", async () => {
    const readOnly = ["one #\\040", "two"].map((name, index) => ({
      source: folder(name),
      path: `/borrowed/${index}/objects`,
    }));
    const script = `cat /borrowed/*/objects/file; ls /borrowed/0
      for f in /borrowed/0/objects/file /borrowed/0/objects/new /borrowed/new; do
        (echo x > $f) 2>/dev/null && echo wrote $f; done; umount /borrowed/0/objects 2>/dev/null && echo unmounted; :`;
    const ended = await sandbox.run(["sh", "-c", script], { readOnly });
    expect(ended.output).toBe("one #\\040\ntwo\nobjects\n");
    expect(readdirSync(join(sandbox.dataDir, "two"))).toEqual(["file"]);
  });

  test("are at most two, by absolute paths", async () => {
    const one = { source: folder("two"), path: "/borrowed" };
    await expect(sandbox.run(["true"], { readOnly: [one, one, one] })).rejects.toThrow("too many");
    const relative = { source: "two", path: "/borrowed" };
    await expect(sandbox.run(["true"], { readOnly: [relative] })).rejects.toThrow("absolute");
  });
}
