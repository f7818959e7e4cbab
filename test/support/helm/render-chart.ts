import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { valuesProblems } from "./values-problems.js";

const run = promisify(execFile);
const chart = join(import.meta.dirname, "../../../deploy/helm/omoi");

/** An object of the chart. */
export interface ChartObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  [field: string]: unknown;
}

export interface ChartRenderer {
  /**
   * Returns the objects of a release named `team` in the namespace `tools`.
   * @throws Error with the message of a template, or about values that the schema refuses
   */
  render(values: object): Promise<ChartObject[]>;
  close(): Promise<void>;
}

const isFound = (command: string, ...args: string[]): Promise<boolean> =>
  run(command, args).then(
    () => true,
    () => false,
  );

/** Opens Helm, or else a small renderer that Go builds; null without either. */
export async function openRenderer(): Promise<ChartRenderer | null> {
  const folder = await mkdtemp(join(tmpdir(), "omoi-chart-"));
  const close = () => rm(folder, { recursive: true, force: true });
  const values = join(folder, "values.json");
  const renderBy = (command: string, args: readonly string[]): ChartRenderer => ({
    render: async (given) => {
      const problems = valuesProblems(given);
      if (problems.length > 0) throw new Error(problems.join("; "));
      await writeFile(values, JSON.stringify(given));
      const { stdout } = await run(command, args);
      return parseAllDocuments(stdout)
        .map((document) => {
          const [problem] = [...document.errors, ...document.warnings];
          if (problem) throw problem;
          return document.toJS() as ChartObject | null;
        })
        .filter((object) => object !== null);
    },
    close,
  });
  if (await isFound("helm", "version")) {
    const args = ["template", "team", chart, "--namespace", "tools", "--values", values];
    return renderBy("helm", args);
  }
  const built = join(folder, "render");
  const env = { ...process.env, GO111MODULE: "off", GOPATH: "/usr/share/gocode", GOFLAGS: "" };
  const cache = { HOME: folder, ...env };
  if (await isFound("go", "version")) {
    const source = join(import.meta.dirname, "render.go");
    await run("go", ["build", "-o", built, source], { env: cache }).catch(async (error) => {
      await close();
      throw error;
    });
    return renderBy(built, ["team", chart, "tools", values]);
  }
  await close();
  return null;
}
