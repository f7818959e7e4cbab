/** The files that GitHub reads. `npm run check` rejects YAML that cannot be parsed. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const read = (path: string): Promise<string> => readFile(join(root, path), "utf8");

test("the workflow ends with .ci/run, for each supported line of Node, with read access only", async () => {
  const text = await read(".github/workflows/ci.yml");
  const { engines } = JSON.parse(await read("package.json")) as { engines: { node: string } };
  const oldest = /\^(\d+)/.exec(engines.node)?.[1];
  expect(text).toContain(`node: ["24", "${oldest}"]`);
  expect(text).toMatch(/^permissions:\n {2}contents: read\n\n/m);
  const steps = Array.from(text.matchAll(/^ {6}- (run|uses): (.+)$/gm), ([, kind, value]) => [
    kind,
    value,
  ]);
  expect(steps.at(-1)).toEqual(["run", "bash .ci/run"]);
  for (const [kind, value] of steps)
    if (kind === "uses") expect(value).toMatch(/^actions\/.+@v\d+$/);
  expect(await read(".ci/run")).toMatch(/^#!\/usr\/bin\/env bash\n/);
});

test.each(["bug", "feature"])(
  "the form %s has fields with a label and an id of its own",
  async (name) => {
    const text = await read(`.github/ISSUE_TEMPLATE/${name}.yml`);
    const [head = "", ...fields] = text.split(/^ {2}- type: /m);
    expect(head).toMatch(/^name: .+\ndescription: .+\nlabels: \[\w+\]\nbody:\n$/);
    const inputs = fields.filter((field) => field.startsWith("textarea\n"));
    expect(inputs.length).toBeGreaterThan(2);
    for (const input of inputs) expect(input).toMatch(/^ {4}attributes:\n {6}label: .+$/m);
    const ids = inputs.map((input) => /^ {4}id: ([a-z]+)$/m.exec(input)?.[1]);
    expect(ids).not.toContain(undefined);
    expect(new Set(ids).size).toBe(ids.length);
  },
);
