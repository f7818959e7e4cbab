import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp } from "#test/support/server/app.js";

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
  const org = "01234567-89ab-7def-8123-456789abcdef";
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test("exclude each other across two processes", async () => {
    let inside = 0;
    let most = 0;
    let done = 0;
    await Promise.all(
      Array.from({ length: 16 }, (_, index) =>
        (index % 2 === 0 ? app : sibling).db.locks(org, ["one"], async () => {
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

  test("on different keys do not wait for each other", async () => {
    await app.db.locks(org, ["a"], () =>
      sibling.db.locks(org, ["b"], () => app.db.locks(org, ["c"], turn)),
    );
  });

  test("on several keys never deadlock, in any order", async () => {
    const orders = [
      ["x", "y", "z"],
      ["z", "y", "x"],
      ["y", "z", "x"],
      ["x", "x", "z"],
    ];
    let done = 0;
    await Promise.all(
      Array.from({ length: 24 }, (_, index) =>
        (index % 2 === 0 ? app : sibling).db.locks(org, orders[index % 4] as string[], async () => {
          await turn();
          done += 1;
        }),
      ),
    );
    expect(done).toBe(24);
  });

  test("are released when the work fails, and its error is passed on", async () => {
    const failing = app.db.locks(org, ["fails"], () => Promise.reject(new Error("the work's own")));
    await expect(failing).rejects.toThrow("the work's own");
    expect(await sibling.db.locks(org, ["fails"], () => Promise.resolve("free"))).toBe("free");
  });

  test("take further locks only while they are free, until the work ends", async () => {
    const here = await app.db.locks(org, ["own"], async (tryMore) => {
      const first = await tryMore(["further", "other", "further"]);
      const elsewhere = sibling.db.locks(org, ["further"], () => Promise.resolve("after it"));
      const again = await tryMore(["further"]);
      return { first, again, elsewhere };
    });
    expect([here.first, here.again, await here.elsewhere]).toEqual([
      new Set(["further", "other"]),
      new Set(),
      "after it",
    ]);
    // Held by this process, and by another one.
    for (const holder of [app, sibling]) {
      await holder.db.locks(org, ["further"], async () => {
        const free = app.db.locks(org, ["own"], (tryMore) => tryMore(["further", "other"]));
        expect(await free).toEqual(new Set(["other"]));
      });
    }
    expect(await app.db.locks(org, ["own", "further"], () => Promise.resolve("free"))).toBe("free");
  });

  test("are released when their connection breaks, without affecting other callers", async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    let begin = (): void => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const holder = app.db.locks(org, ["broken"], () => {
      begin();
      return finished;
    });
    await begun;
    const waiting = sibling.db.locks(org, ["broken"], () => Promise.resolve("mine now"));
    const { rows } = await sibling.db.systemPool.query(
      `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
         and objid = (hashtextextended('broken', 0) & 4294967295)::oid`,
    );
    expect(rows).toHaveLength(1);
    expect(await waiting).toBe("mine now");
    finish();
    await holder;
    expect(await app.db.locks(org, ["broken"], () => Promise.resolve("again"))).toBe("again");
  });

  const connectionsWaiting = async (): Promise<number | undefined> => {
    const { rows } = await sibling.db.systemPool.query<{ count: number }>(
      `select count(*)::int as count from pg_locks l join pg_database d on d.oid = l.database
       where l.locktype = 'advisory' and not l.granted and d.datname = current_database()`,
    );
    return rows[0]?.count;
  };

  /** A latch: work waits in it until it is opened. */
  const latch = (): { wait: Promise<void>; open: () => void } => {
    let open = (): void => {};
    const wait = new Promise<void>((resolve) => {
      open = resolve;
    });
    return { wait, open };
  };

  test("are granted first in, first out, also on several keys", async () => {
    const held = latch();
    const order: number[] = [];
    const first = app.db.locks(org, ["fifo"], () => held.wait);
    const others = [0, 1, 2, 3].map((number) =>
      app.db.locks(org, number === 1 ? ["fifo", "fifo 2"] : ["fifo"], async () => {
        order.push(number);
      }),
    );
    held.open();
    await Promise.all([first, ...others]);
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test("hold no connection while they wait", async () => {
    const held = latch();
    const first = app.db.locks(org, ["crowded"], () => held.wait);
    const waiting = Array.from({ length: 150 }, () => app.db.locks(org, ["crowded"], turn));
    // Also within the same organization.
    expect(await app.db.locks(org, ["quiet"], () => Promise.resolve("at once"))).toBe("at once");
    expect(await connectionsWaiting()).toBe(0);
    held.open();
    await Promise.all([first, ...waiting]);
  });

  test("held by another process block a few callers per organization and reject the rest", async () => {
    const held = latch();
    const keys = Array.from({ length: 12 }, (_, index) => `elsewhere ${index}`);
    const holders = keys.map((key) => sibling.db.locks(`org of ${key}`, [key], () => held.wait));
    const waiting = keys.map((key) => app.db.locks(org, [key], turn));
    await expect.poll(connectionsWaiting).toBe(2);
    expect(await app.db.locks("another", ["free"], () => Promise.resolve("free"))).toBe("free");
    held.open();
    await Promise.all([...holders, ...waiting]);
  });

  test("of one organization leave connections to another", async () => {
    const held = latch();
    const many = Array.from({ length: 40 }, (_, index) =>
      app.db.locks(org, [`of many ${index}`], () => held.wait),
    );
    expect(await app.db.locks("another", ["of one"], () => Promise.resolve("in"))).toBe("in");
    held.open();
    await Promise.all(many);
  });

  test("reject too many waiting callers of one organization but not of another", async () => {
    const held = latch();
    const first = app.db.locks(org, ["full"], () => held.wait);
    const outcomes = Promise.allSettled(
      Array.from({ length: 250 }, () => app.db.locks(org, ["full"], turn)),
    );
    const other = app.db.locks("another", ["full"], () => Promise.resolve("in"));
    held.open();
    await first;
    expect(await other).toBe("in");
    const refused = (await outcomes).filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThanOrEqual(49);
    expect(refused[0]).toMatchObject({ reason: { code: "workspace_busy", status: 409 } });
  });

  test("a transaction whose connection breaks fails alone", async () => {
    const failing = app.db.tenant(org, async (tx) => {
      const { rows } = await tx.execute<{ pid: number }>("select pg_backend_pid() as pid");
      await sibling.db.systemPool.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
      for (;;) await tx.execute("select 1");
    });
    await expect(failing).rejects.toThrow();
    expect((await app.db.tenant(org, (tx) => tx.execute("select 1"))).rowCount).toBe(1);
  });
});
