import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyTools, AGENT } from "#test/support/pods/pod.js";

/** The copied tools in a root that has nothing else: no C library, no shell, no /etc. */
describe("the tools of a pod", () => {
  let tools: string;
  beforeAll(async () => {
    tools = await copyTools();
  });
  afterAll(() => rm(tools, { recursive: true, force: true }));

  const inEmptyRoot = (command: readonly string[], env: Record<string, string> = {}): string => {
    const mounts = ["--ro-bind", tools, "/opt/omoi", "--proc", "/proc", "--dev", "/dev"];
    const { PATH = "" } = process.env;
    const variables = Object.entries(env).flatMap(([name, value]) => ["--setenv", name, value]);
    return execFileSync(
      "bwrap",
      ["--unshare-pid", "--as-pid-1", ...mounts, ...variables, ...command],
      {
        encoding: "utf8",
        env: { PATH },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
  };
  const loader = ["/opt/omoi/lib/loader", "--library-path", "/opt/omoi/lib"];

  test("run without any library of the image", () => {
    const script = "console.log(process.version, require('crypto').randomUUID().length)";
    expect(inEmptyRoot([...loader, "/opt/omoi/node", "-e", script])).toBe(
      `${process.version} 36\n`,
    );
    expect(inEmptyRoot([...loader, "/opt/omoi/sh", "-c", "echo $((6 * 7))"])).toBe("42\n");
  });

  test("start the agent whatever options of Node the image has", () => {
    const run = () => inEmptyRoot(AGENT, { NODE_OPTIONS: "--require /nothing.js" });
    expect(run).toThrow(/the folder of the socket \/run\/omoi\/socket\/command\.sock is missing/);
  });

  test("include an agent that refuses to run outside of a container", () => {
    const node = [process.execPath, `${tools}/command-agent.mjs`, "/tmp/never.sock"];
    expect(() => execFileSync(node[0] as string, node.slice(1), { stdio: "pipe" })).toThrow(
      /it runs only as the first one of a container/,
    );
  });
});
