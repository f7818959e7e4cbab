import { expect, test } from "vitest";
import { fairTurns } from "./fair-turns.js";
import { paced } from "./paced.js";

test("an organization with much work delays the others by one turn", async () => {
  const order: string[] = [];
  let left = 5;
  const turns = fairTurns(1, async (orgId) => {
    await Promise.resolve();
    order.push(orgId);
    left -= orgId === "busy" ? 1 : 0;
    return orgId === "busy" && left > 0;
  });
  for (const orgId of ["busy", "one", "busy", "two"]) turns.request(orgId);
  await expect.poll(() => order.length).toBeGreaterThanOrEqual(7);
  await turns.end();
  expect(order.filter((orgId) => orgId === "one")).toEqual(["one"]);
  expect(order.indexOf("two")).toBeLessThan(4);
});

test("paced work runs one after another, also after an error", async () => {
  const inTurn = paced();
  let running = 0;
  let most = 0;
  const work = (result: number) => async (): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
    if (result === 2) throw new Error("no");
    return result;
  };
  const results = await Promise.allSettled([1, 2, 3].map((result) => inTurn(work(result))));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(most).toBe(1);
});
