import { type IncomingMessage, request as httpRequest } from "node:http";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { ExportedAuditEvent } from "#shared/api/organization/audit.js";
import { startTestApp, type TestApp, type TestPerson } from "#test/support/server/app.js";
import { makeOrganization, makeProject } from "#test/support/fixtures/factories.js";
import { queryAsOwner } from "#test/support/database/queries.js";
import { problemOf, send } from "#test/support/http/raw-request.js";
import { systemRoleIds } from "../../../db/migrate.js";

const run = promisify(execFile);
const guide = join(import.meta.dirname, "../../../../../docs/how-to/check-the-audit-log.md");

describe("the export of the audit log", () => {
  let app: TestApp;
  let owner: TestPerson;
  let folder: string;
  beforeAll(async () => {
    app = await startTestApp();
    owner = await app.person("owner");
    folder = await mkdtemp(join(tmpdir(), "omoi-export-"));
    const [, script = ""] = /```js\n([^]*?)```/.exec(await readFile(guide, "utf8")) ?? [];
    await writeFile(join(folder, "verify.mjs"), script);
  });
  afterAll(async () => {
    await app.close();
    await rm(folder, { recursive: true });
  });

  const download = (orgId: string, query = "", token = owner.token) =>
    send(app, "GET", `/api/v1/organizations/${orgId}/audit-events/export${query}`, { token });
  const eventsIn = (text: string): ExportedAuditEvent[] =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as ExportedAuditEvent);
  /** Runs the script of the guide. */
  const verify = async (text: string): Promise<string> => {
    await writeFile(join(folder, "audit.ndjson"), text);
    const { stdout } = await run(process.execPath, ["verify.mjs", "audit.ndjson"], {
      cwd: folder,
    }).catch(({ stderr }: { stderr: string }) => ({ stdout: stderr }));
    return stdout;
  };

  test("has all events, oldest first, and the guide's script verifies them", async () => {
    const { id, slug } = await makeOrganization(owner);
    const names = ["a\u2028b\u2029c\u0085d", "\u202e\u0007"];
    for (const name of names) {
      await owner.api.projects.create({ body: { organization_id: id, name } });
    }
    const answer = await download(slug);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("application/x-ndjson; charset=utf-8");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(answer.headers.get("content-disposition")).toMatch(
      new RegExp(`^attachment; filename="audit-${slug}-\\d{4}-\\d\\d-\\d\\d\\.ndjson"$`),
    );
    expect(answer.text).not.toMatch(/[\u0085\u2028\u2029]/);
    const { data: listed } = await owner.api.audit.list({ params: { org_id: id } });
    expect(eventsIn(answer.text)).toEqual(
      listed.toReversed().map((event) => ({ ...event, organization_id: id, redacted: false })),
    );
    const last = listed[0];
    expect(await verify(answer.text)).toBe(`3 events, 0 gaps, 0 redacted; last: 3 ${last?.hash}\n`);
  });

  test("a changed, missing, moved or foreign event is found", async () => {
    const [{ id }, other] = [await makeOrganization(owner), await makeOrganization(owner)];
    for (let count = 0; count < 4; count += 1) await makeProject(owner, id);
    const { text } = await download(id);
    const lines = text.split("\n");
    const changed = (at: number, from: string, to: string) =>
      lines.with(at, String(lines[at]).replace(from, to)).join("\n");
    expect(await verify(text)).toContain("5 events, 0 gaps");
    expect(await verify(changed(2, "project.created", "project.deleted"))).toBe(
      "Event 3 has another content than its hash.\n",
    );
    expect(await verify(changed(1, '"sequence":2', '"sequence":7'))).toContain("Event 7 has");
    expect(await verify(changed(3, id, other.id))).toContain("Event 4 has another content");
    expect(await verify(changed(3, '"previous_hash":"', '"previous_hash":"0'))).toContain(
      "Event 4 does not link to the previous event",
    );
    expect(await verify(lines.toSpliced(2, 1).join("\n"))).toContain("4 events, 1 gaps");
    expect(
      await verify(
        lines
          .with(1, lines[2] ?? "")
          .with(2, lines[1] ?? "")
          .join("\n"),
      ),
    ).toBe("Event 2 is out of order.\n");
  });

  test("has the filters of the list", async () => {
    const { id } = await makeOrganization(owner);
    const project = await makeProject(owner, id);
    await makeProject(owner, id);
    const all = eventsIn((await download(id)).text);
    const sequences = async (query: string) =>
      eventsIn((await download(id, query)).text).map(({ sequence }) => sequence);
    expect(await sequences("?action=project.created")).toEqual([2, 3]);
    expect(await sequences(`?target_type=organization&actor_id=${owner.id}`)).toEqual([1]);
    expect(await sequences(`?target_id=${project.id}`)).toEqual([2]);
    expect(await sequences(`?since=${all[1]?.at}`)).toContain(2);
    expect(await sequences(`?until=${all[0]?.at}`)).toEqual([]);
    expect(await sequences("?action=run.started")).toEqual([]);
    const { text } = await download(id, "?action=project.created");
    expect(await verify(text)).toContain("2 events, 1 gaps, 0 redacted");
    for (const query of ["?action=nothing", "?since=yesterday", "?limit=5", "?actor_id=1"]) {
      expect(problemOf(await download(id, query)).code).toBe("validation_failed");
    }
  });

  test("marks the events of deleted users, whose links are still verified", async () => {
    const { id } = await makeOrganization(owner);
    const leaver = await app.person("lea-leaver");
    const params = { org_id: id };
    const { data: member } = await owner.api.members.add({
      params,
      body: { user_id: leaver.id, role_id: systemRoleIds.admin },
    });
    await leaver.api.organizations.update({ params, body: { description: "Hers" } });
    await owner.api.members.remove({ params: { ...params, member_id: member.id } });
    await owner.api.admin.delete({ params: { user_id: leaver.id } });
    const { text } = await download(id);
    expect(text).not.toContain("lea-leaver");
    expect(eventsIn(text).filter(({ redacted }) => redacted)).not.toEqual([]);
    expect(await verify(text)).toMatch(/^\d+ events, 0 gaps, [1-9]\d* redacted; last: /);
    const relinked = text.replace(
      /("action":"organization.updated"[^\n]*"previous_hash":")./,
      "$1x",
    );
    expect(await verify(relinked)).toContain("does not link to the previous event");
  });

  test("is for those who may read the log", async () => {
    const { id } = await makeOrganization(owner);
    const [viewer, stranger] = [await app.person("viewer"), await app.person("stranger")];
    const body = { user_id: viewer.id, role_id: systemRoleIds.viewer };
    await owner.api.members.add({ params: { org_id: id }, body });
    expect(problemOf(await download(id, "", viewer.token))).toMatchObject({
      code: "insufficient_permission",
      missing_permissions: ["org:audit:read"],
    });
    expect(problemOf(await download(id, "", stranger.token)).code).toBe("not_found");
    const visitor = await send(app, "GET", `/api/v1/organizations/${id}/audit-events/export`);
    expect(problemOf(visitor).code).toBe("unauthenticated");
    await owner.api.organizations.archive({ params: { org_id: id } });
    expect((await download(id)).status).toBe(200);
    const path = `/api/v1/organizations/${id}/audit-events/export`;
    const head = await send(app, "HEAD", path, { token: owner.token });
    expect([head.status, head.text]).toEqual([200, ""]);
  });

  describe("of many events", () => {
    const many = 100_000;
    let id: string;
    beforeAll(async () => {
      id = (await makeOrganization(owner)).id;
      await queryAsOwner(
        app,
        `insert into audit_events
           (id, org_id, sequence, at, actor, action, target, ip, request_id, changes, previous_hash, hash)
         select gen_random_uuid(), $1, n, now(), actor, action, target, ip, request_id,
           jsonb_build_object('text', jsonb_build_object('from', null, 'to', repeat('x', 1500))),
           previous_hash, hash
         from audit_events, generate_series(2, $2::int) n where org_id = $1 and sequence = 1`,
        [id, many],
      );
    }, 300_000);

    /** Opens a download that is read only on demand. */
    const open = (token: string, server: TestApp = app) =>
      new Promise<IncomingMessage>((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        const path = `${server.url}/api/v1/organizations/${id}/audit-events/export`;
        httpRequest(path, { headers }, resolve).on("error", reject).end();
      });
    /** Waits until the server has read no further part for a while, and returns how many it read. */
    const settled = async (reads: { mock: { calls: unknown[] } }): Promise<number> => {
      let seen = -1;
      await vi.waitFor(
        () => {
          const now = reads.mock.calls.length;
          const isSame = now === seen;
          seen = now;
          if (!isSame) throw new Error("the server still reads");
        },
        { timeout: 120_000, interval: 500 },
      );
      return seen;
    };

    test("waits for a slow reader without a transaction, and then goes on", async () => {
      const reads = vi.spyOn(app.db, "read");
      const response = await open(owner.token);
      const before = await settled(reads);
      expect(before).toBeGreaterThan(1);
      expect(before).toBeLessThan(many / 500);
      const busy = await queryAsOwner(
        app,
        `select state, query from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`,
      );
      expect(busy).toEqual([]);
      let lines = 0;
      for await (const chunk of response as AsyncIterable<Buffer>) {
        lines += chunk.toString("latin1").split("\n").length - 1;
      }
      expect(lines).toBe(many);
      expect(response.complete).toBe(true);
      reads.mockRestore();
    }, 300_000);

    test("has at most four readers per caller, and a stop of the server ends them", async () => {
      const sibling = await app.sibling();
      const path = `/api/v1/organizations/${id}/audit-events/export`;
      const responses = [];
      for (let count = 0; count < 4; count += 1) responses.push(await open(owner.token, sibling));
      const more = await send(sibling, "GET", path, { token: owner.token });
      expect(problemOf(more).code).toBe("rate_limited");
      const [left, ...others] = responses;
      left?.destroy();
      await vi.waitFor(async () => {
        const next = await open(owner.token, sibling);
        if (next.statusCode !== 200) next.destroy();
        expect(next.statusCode).toBe(200);
        others.push(next);
      }, 120_000);
      const ends = others.map(async (response) => {
        for await (const _chunk of response) continue;
      });
      const outcomes = Promise.allSettled(ends);
      await sibling.close();
      for (const { status } of await outcomes) expect(status).toBe("rejected");
    }, 300_000);

    test("has at most sixteen readers per organization, which leave room for others", async () => {
      const sibling = await app.sibling();
      const people = await Promise.all(["a", "b", "c", "d"].map((name) => app.person(name)));
      for (const { id: user_id } of people) {
        const body = { user_id, role_id: systemRoleIds.admin };
        await owner.api.members.add({ params: { org_id: id }, body });
      }
      for (const { token } of people) {
        for (let count = 0; count < 4; count += 1) {
          expect((await open(token, sibling)).statusCode).toBe(200);
        }
      }
      const exportOf = (orgId: string) =>
        send(sibling, "GET", `/api/v1/organizations/${orgId}/audit-events/export`, {
          token: owner.token,
        });
      const refused = problemOf(await exportOf(id));
      expect([refused.code, refused.detail]).toEqual([
        "rate_limited",
        expect.stringContaining("16 downloads of an organization's audit log"),
      ]);
      expect((await exportOf((await makeOrganization(owner)).id)).status).toBe(200);
      await sibling.close();
    }, 300_000);

    test("breaks off when the reader loses access or leaves", async () => {
      const reader = await app.person("reader");
      const params = { org_id: id };
      const { data: member } = await owner.api.members.add({
        params,
        body: { user_id: reader.id, role_id: systemRoleIds.admin },
      });
      const reads = vi.spyOn(app.db, "read");
      const response = await open(reader.token);
      await settled(reads);
      await owner.api.members.remove({ params: { ...params, member_id: member.id } });
      const read = async (): Promise<void> => {
        for await (const _chunk of response) continue;
      };
      await expect(read()).rejects.toThrow("aborted");
      expect(response.complete).toBe(false);

      const left = await open(owner.token);
      const before = await settled(reads);
      left.destroy();
      expect((await settled(reads)) - before).toBeLessThanOrEqual(1);
      reads.mockRestore();
    }, 300_000);
  });
});
