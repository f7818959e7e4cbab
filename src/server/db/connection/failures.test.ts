import { expect, test } from "vitest";
import { isConnectionLost, isDatabaseUnavailable } from "./failures.js";

const failed = (syscall: string, code: string): Error =>
  Object.assign(new Error(`${syscall} ${code}`), { syscall, code });

test.each(["ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"])(
  "%s ends an open connection, and makes the database unavailable",
  (code) => {
    expect(isConnectionLost(failed("read", code))).toBe(true);
    expect(isDatabaseUnavailable(new Error("query", { cause: failed("read", code) }))).toBe(true);
    // No transaction was open.
    expect(isConnectionLost(failed("connect", code))).toBe(false);
    expect(isDatabaseUnavailable(failed("connect", code))).toBe(true);
  },
);

test("an error of a query does neither", () => {
  const error = Object.assign(new Error("duplicate key"), { code: "23505" });
  expect([isConnectionLost(error), isDatabaseUnavailable(error)]).toEqual([false, false]);
});
