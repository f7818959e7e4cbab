import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/app.js";

describe("locks", () => {
  let app: TestApp;
  let sibling: TestApp;
  beforeAll(async () => {
    app = await startTestApp();
    sibling = await app.sibling();
  });
  afterAll(async () => {
    await sibling.close();
    await app.close();
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("let one at a time in, over two processes", async () => {
    let inside = 0;
    let most = 0;
    let done = 0;
    await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        (index % 2 === 0 ? app : sibling).db.locks(["one"], async () => {
          inside += 1;
          most = Math.max(most, inside);
          for (let number = 0; number < 5; number += 1) await turn();
          inside -= 1;
          done += 1;
        }),
      ),
    );
    expect([most, done]).toEqual([1, 16]);
  });

  test("of other keys do not wait for each other", async () => {
    await app.db.locks(["a"], () => sibling.db.locks(["b"], () => app.db.locks(["c"], turn)));
  });

  test("of several keys never wait in a circle, whatever their order", async () => {
    const orders = [
      ["x", "y", "z"],
      ["z", "y", "x"],
      ["y", "z", "x"],
      ["x", "x", "z"],
    ];
    let done = 0;
    await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        (index % 2 === 0 ? app : sibling).db.locks(orders[index % 4] as string[], async () => {
          await turn();
          done += 1;
        }),
      ),
    );
    expect(done).toBe(24);
  });

  test("are given back when the work fails, and its error is passed on", async () => {
    const failing = app.db.locks(["fails"], () => Promise.reject(new Error("the work's own")));
    await expect(failing).rejects.toThrow("the work's own");
    expect(await sibling.db.locks(["fails"], () => Promise.resolve("free"))).toBe("free");
  });

  test("are given back when the connection that held them breaks, which nobody else notices", async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const holder = app.db.locks(["broken"], () => {
      begin();
      return finished;
    });
    await begun;
    const waiting = sibling.db.locks(["broken"], () => Promise.resolve("mine now"));
    const { rows } = await sibling.db.systemPool.query(
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
         and objid = (hashtextextended('broken', 0) & 4294967295)::oid`,
    );
    expect(rows).toHaveLength(1);
    expect(await waiting).toBe("mine now");
    finish();
    await holder;
    expect(await app.db.locks(["broken"], () => Promise.resolve("again"))).toBe("again");
  });

  test("a transaction whose connection breaks fails alone", async () => {
    const orgId = "01234567-89ab-7def-8123-456789abcdef";
    const failing = app.db.tenant(orgId, async (tx) => {
      const { rows } = await tx.execute<{ pid: number }>("select pg_backend_pid() as pid");
      await sibling.db.systemPool.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
      for (;;) await tx.execute("select 1");
    });
    await expect(failing).rejects.toThrow();
    expect((await app.db.tenant(orgId, (tx) => tx.execute("select 1"))).rowCount).toBe(1);
  });
});
