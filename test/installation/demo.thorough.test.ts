/** `npm run demo` shows tasks in every state, and agents at work. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { root } from "#test/support/server/built-files.js";
import { clientOf } from "#test/support/server/server-process.js";

test(
  "the demo has tasks in every state, costs, firings and a merge queue",
  { timeout: 1_200_000 },
  async () => {
    const child = spawn(process.execPath, ["scripts/start.mjs", "--demo"], {
      cwd: root,
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], OMOI_PORT: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(child, "close");
    try {
      let said = "";
      child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
      const [, url = "", email = "", password = ""] = await new Promise<string[]>(
        (resolve, reject) => {
          createInterface({ input: child.stdout }).on("line", (line) => {
            said += `${line}\n`;
            const found = /^Open (\S+) and sign in as (\S+) with the password (\S+)$/.exec(line);
            if (found) resolve([...found]);
          });
          void ended.then(() => reject(new Error(`the demo ended: ${said}`)));
        },
      );
      const { data: session } = await clientOf(url).auth.login({ body: { email, password } });
      const api = clientOf(url, session.access_token);
      const { data: organizations } = await api.organizations.list({ query: {} });
      const acme = organizations.find(({ slug }) => slug === "acme-corp");
      const org_id = acme?.id ?? "";
      const { data: projects } = await api.projects.list({
        query: { organization_id: org_id, limit: 100 },
      });
      const project_id = projects.find(({ name }) => name === "Checkout")?.id ?? "";

      const seen = new Set<string>();
      const wanted = [
        "done",
        "failed",
        "in_review",
        "merging",
        "needs_you",
        "open",
        "waiting",
        "working",
      ];
      const kinds = ["failed", "permission", "question", "review"];
      await expect
        .poll(
          async () => {
            const query = { limit: 100 } as const;
            const { data: tasks } = await api.tasks.list({ params: { project_id }, query });
            for (const { status, attention } of tasks)
              seen.add(status).add(attention?.kind ?? status);
            return [...wanted, ...kinds].filter((name) => !seen.has(name));
          },
          { timeout: 900_000, interval: 500 },
        )
        .toEqual([]);
      await expect
        .poll(
          async () => {
            const query = { limit: 100 } as const;
            const { data } = await api.tasks.list({ params: { project_id }, query });
            return (
              data.filter(({ cost_usd }) => cost_usd > 0).length > 5 &&
              new Set(data.map(({ owner }) => owner?.name)).size > 2 &&
              data.some(({ attempts }) => attempts.length === 2)
            );
          },
          { timeout: 600_000, interval: 500 },
        )
        .toBe(true);
      const { data: automations } = await api.automations.list({
        params: { project_id },
        query: {},
      });
      const made = automations.find(({ name }) => name === "Fix the nightly build");
      const params = { project_id, automation_id: made?.id ?? "" };
      await expect
        .poll(async () => (await api.automations.firings({ params, query: {} })).data.length)
        .toBeGreaterThan(0);
      // Nothing of the demo failed.
      expect(said).not.toMatch(/failed:/);
    } finally {
      child.kill("SIGTERM");
      const [code] = (await ended) as [number | null];
      expect(code).toBe(0);
    }
  },
);
