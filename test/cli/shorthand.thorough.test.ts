/** Short forms of `omoi`, its messages on an interruption, and servers that it gives up. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Agent } from "#shared/api/work/agents.js";
import {
  makeOrganization,
  makeProject,
  makeWorkspace,
  writeFiles,
} from "#test/support/fixtures/factories.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { openCli, signedInCli, type SignedInCli } from "#test/support/server/signed-in-cli.js";
import { moveGlobals } from "../../src/cli/global-options.js";

let app: TestApp;
let ada: TestPerson;
let cli: SignedInCli;
let orgSlug: string;
let agent: Agent;

beforeAll(async () => {
  app = await startTestApp({}, "real");
  ada = await app.person("ada");
  const organization = await makeOrganization(ada);
  orgSlug = organization.slug;
  cli = await signedInCli(app.url, ada);
  const made = await makeWorkspace(ada, (await makeProject(ada, organization.id)).id);
  ({ agent } = made);
  await writeFiles(made.workspace, { "a.txt": "a\n" });
});
afterAll(async () => {
  cli.close();
  await app.close();
});

describe("short forms", () => {
  test("ls, rm, ps and version are commands", async () => {
    expect((await cli.run("agent", "ls", "-q")).out).toBe(`${agent.id}\n`);
    expect((await cli.run("context", "ls")).out).toContain(app.url);
    const set = await cli.runWith({ input: "value" }, "secret", "set", "SHORT");
    expect([set.code, set.out]).toEqual([0, expect.stringContaining("variable")]);
    expect((await cli.run("secret", "rm", "SHORT", "--yes")).code).toBe(0);
    expect((await cli.run("ps")).out).toContain(agent.name);
    expect((await cli.run("version")).out).toBe((await cli.run("--version")).out);
  });

  test("a secret is a variable unless its kind is given", async () => {
    const input = '{"kind": "model", "provider": "anthropic", "value": "sk-1234567890"}';
    expect((await cli.runWith({ input }, "secret", "set", "MODEL", "--body", "-")).out).toContain(
      "model",
    );
    const help = await cli.run("secret", "set", "--help");
    expect(help.out.replaceAll(/\s+/g, " ")).toContain("by default variable");
  });

  test("-o json is --json, and no other format is known", async () => {
    const { out } = await cli.run("agent", "list", "-o", "json");
    expect(JSON.parse(out)).toMatchObject([{ id: agent.id }]);
    expect((await cli.run("agent", "list", "-o", "yaml")).code).toBe(2);
  });

  test("a flag of a list needs no value, and takes one", async () => {
    for (const flag of ["--include-archived", "--include-archived=false"]) {
      const { code, out } = await cli.run("org", "list", flag, "--json");
      expect([flag, code, out]).toEqual([flag, 0, expect.stringContaining(orgSlug)]);
    }
    expect((await cli.run("org", "list", "--include-archived=maybe")).code).toBe(2);
  });

  test("options of every command also stand before it", async () => {
    for (const args of [
      ["--org", orgSlug, "--json", "agent", "list"],
      ["-o", "json", "agent", "--org", orgSlug, "list"],
      [`--org=${orgSlug}`, "agent", "list", "--output=json"],
    ]) {
      const { code, out } = await cli.run(...args);
      expect([code, JSON.parse(out)]).toEqual([0, [expect.objectContaining({ id: agent.id })]]);
    }
    const unknown = await cli.run("--org", "someone-elses", "agent", "list");
    expect(unknown.code).toBe(4);
  });

  test("options of a program that an agent runs stay where they are", () => {
    const groups = new Set(["agent"]);
    const args = ["--json", "agent", "start", "w", "--", "ls", "--org", "x"];
    expect(moveGlobals(args, groups)).toEqual([
      "agent",
      "start",
      "--json",
      "w",
      "--",
      "ls",
      "--org",
      "x",
    ]);
    expect(moveGlobals(["--version"], groups)).toEqual(["--version"]);
    expect(moveGlobals(["--org"], groups)).toEqual(["--org"]);
    expect(moveGlobals([], groups)).toEqual([]);
  });

  test("omoi api finds resources below /api/v1, and GET needs no word", async () => {
    for (const args of [["/organizations"], ["GET", "/organizations?limit=1"], ["organizations"]]) {
      const { code, out } = await cli.run("api", ...args);
      expect([code, JSON.parse(out)]).toEqual([0, [expect.objectContaining({ slug: orgSlug })]]);
    }
    const { out } = await cli.run("api", "/version");
    expect(JSON.parse(out)).toMatchObject({ version: expect.any(String) });
    expect((await cli.run("api", "GET")).code).toBe(2);
  });
});

describe("output", () => {
  test("times are relative in tables, and exact in JSON and in fields", async () => {
    await ada.api.runs.create({ params: { agent_id: agent.id }, body: { command: ["true"] } });
    await cli.run("logs", agent.name, "--follow");
    const iso = /\d{4}-\d\d-\d\dT/;
    const rows = await cli.run("run", "list", agent.name);
    expect(rows.out).toMatch(/\b(now|\d+ (s|min) ago)\b/);
    expect(rows.out).not.toMatch(iso);
    expect((await cli.run("run", "list", agent.name, "--json")).out).toMatch(iso);
    expect((await cli.run("run", "show", agent.name)).out).toMatch(iso);
  });

  test("an unknown organization is named", async () => {
    for (const args of [
      ["agent", "list", "--org", "nowhere"],
      ["secret", "list", "--org", "nowhere"],
      ["org", "show", "nowhere"],
      ["context", "use-org", "nowhere"],
    ]) {
      const { code, err } = await cli.run(...args);
      const said = expect.stringContaining("There is no organization nowhere");
      expect([args, code, err]).toEqual([args, 4, said]);
    }
    // Of a known one, the missing part is unknown.
    const { code, err } = await cli.run("secret", "show", "MISSING");
    expect([code, err]).toEqual([4, expect.stringContaining("(not_found)")]);
  });
});

describe("a followed run", () => {
  const sh = (script: string) => ["--", "sh", "-c", script];

  test("passes its exit code on", async () => {
    const failed = await cli.run("agent", "start", agent.name, "--follow", ...sh("exit 7"));
    expect([failed.code, failed.err]).toEqual([7, expect.stringContaining("exit code 7")]);
    const followed = await cli.run("logs", agent.name, "--follow", "--exit-status");
    expect(followed.code).toBe(7);
    expect((await cli.run("logs", agent.name, "--follow")).code).toBe(0);
  });

  test("continues after Ctrl+C, which says how to stop it", async () => {
    const started = cli.start("agent", "start", agent.name, "-f", ...sh("echo up; sleep 600"));
    let said = "";
    started.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
    await once(started.stdout as NodeJS.ReadableStream, "data");
    started.kill("SIGINT");
    expect((await once(started, "close"))[0]).toBe(130);
    const params = { agent_id: agent.id };
    const id = (await ada.api.agents.get({ params })).data.current_run?.id as string;
    expect(said).toContain(`The run continues. Stop it with: omoi run stop ${id}\n`);
    expect((await cli.run("run", "stop", id)).code).toBe(0);
  });
});

describe("addresses", () => {
  test("a server below a path is refused, and an address of a page is understood", async () => {
    for (const url of [`${app.url}/omoi`, `${app.url}/omoi/agents`]) {
      const { code, err } = await cli.runWith({ env: { OMOI_URL: url } }, "whoami");
      expect([code, err]).toEqual([2, expect.stringContaining("at the root of a host")]);
      const login = await cli.runWith({ input: ada.token }, "login", url, "--token");
      expect([login.code, login.err]).toEqual([2, expect.stringContaining(`such as ${app.url}`)]);
    }
    for (const path of ["/", "/agents/x", "/api/v1", "/settings/profile"]) {
      const env = { OMOI_URL: `${app.url}${path}` };
      expect([path, (await cli.runWith({ env }, "whoami")).code]).toEqual([path, 0]);
    }
  });

  const listening = async (server: Server): Promise<Record<string, string>> => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return { OMOI_URL: `http://127.0.0.1:${port}`, OMOI_TOKEN: "x", OMOI_ORG: "acme" };
  };

  test("a server that never answers is given up", async () => {
    const asked: string[] = [];
    const silent = createServer(({ url }) => void asked.push(url ?? ""));
    const lost = openCli(await listening(silent));
    const { code, err } = await lost.run("api", "GET", "/api/v1/organizations");
    expect([code, err]).toEqual([1, expect.stringContaining("no answer within 15 seconds")]);
    expect(asked).toEqual(["/api/v1/organizations", "/version"]);
    silent.closeAllConnections();
    silent.close();
    lost.close();
  });

  test("a server that lives may take its time for an answer", async () => {
    const slow = createServer(({ url }, response) => {
      if (url !== "/version") {
        slow.once("probe", () => response.setHeader("content-type", "application/json").end("[]"));
        return;
      }
      response.end("{}");
      slow.emit("probe");
    });
    const patient = openCli(await listening(slow));
    const { code, out } = await patient.run("api", "GET", "/api/v1/organizations");
    expect([code, out]).toEqual([0, "[]\n"]);
    slow.closeAllConnections();
    slow.close();
    patient.close();
  });
});
