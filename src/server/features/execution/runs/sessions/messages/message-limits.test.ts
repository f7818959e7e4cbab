import { describe, expect, test } from "vitest";
import { newId } from "../../../../../db/tables/columns.js";
import {
  MessageLimits,
  ORGANIZATION_BYTES,
  ORGANIZATION_MESSAGES,
  SESSION_BYTES,
  SESSION_MESSAGES,
} from "./message-limits.js";

describe("the messages of sessions", () => {
  /** Milliseconds of a clock that the test moves. */
  let now = 1_000_000;
  const open = (orgId: string): MessageLimits => new MessageLimits(orgId, () => now);

  test("a session may send its burst at once, and one message more waits for its rate", () => {
    const limits = open(newId());
    expect(limits.take(SESSION_MESSAGES.burst, 0)).toBe(0);
    expect(limits.take(1, 0)).toBeCloseTo(1000 / SESSION_MESSAGES.perSecond);
    // Later messages wait for the tokens that were lent.
    expect(limits.take(1, 0)).toBeCloseTo(2000 / SESSION_MESSAGES.perSecond);
    now += 1000;
    expect(limits.take(SESSION_MESSAGES.perSecond - 2, 0)).toBe(0);
    expect(limits.take(1, 0)).toBeCloseTo(1000 / SESSION_MESSAGES.perSecond);
  });

  test("a session may send its burst of bytes at once, and one byte more waits for its rate", () => {
    const limits = open(newId());
    expect(limits.take(1, SESSION_BYTES.burst)).toBe(0);
    expect(limits.take(1, 1)).toBeCloseTo(1000 / SESSION_BYTES.perSecond);
  });

  test("sessions of an organization share its messages, and those of another one do not", () => {
    const orgId = newId();
    const { burst, perSecond } = ORGANIZATION_MESSAGES;
    const count = burst / SESSION_MESSAGES.burst;
    const sessions = Array.from({ length: count }, () => open(orgId));
    for (const one of sessions) expect(one.take(SESSION_MESSAGES.burst, 0)).toBe(0);
    expect(open(orgId).take(1, 0)).toBeCloseTo(1000 / perSecond);
    expect(open(newId()).take(1, 0)).toBe(0);
    // Sessions that come and go do not get a new bucket.
    for (const one of sessions) one.close();
    expect(open(orgId).take(1, 0)).toBeCloseTo(2000 / perSecond);
  });

  test("sessions of an organization share its bytes", () => {
    const orgId = newId();
    const { burst, perSecond } = ORGANIZATION_BYTES;
    const count = burst / SESSION_BYTES.burst;
    for (let nth = 0; nth < count; nth += 1) {
      expect(open(orgId).take(1, SESSION_BYTES.burst)).toBe(0);
    }
    expect(open(orgId).take(1, 1)).toBeCloseTo(1000 / perSecond);
  });

  test("wide messages count for their texts", () => {
    const limits = open(newId());
    limits.charge(10 * SESSION_MESSAGES.burst);
    expect(limits.take(1, 0)).toBeCloseTo(1000 / SESSION_MESSAGES.perSecond);
  });

  test("of a program that has ended as many messages are read as its burst, without waiting", async () => {
    const orgId = newId();
    const limits = open(orgId);
    limits.take(ORGANIZATION_MESSAGES.burst - 1, 0);
    const waiting = limits.admit(1, 0);
    expect(limits.isHeld).toBe(true);
    limits.release();
    expect(await waiting).toBe(true);
    expect(await limits.admit(SESSION_MESSAGES.burst - 1, 0)).toBe(true);
    expect(await limits.admit(1, 0)).toBe(false);
    // They are not lent to the organization.
    expect(open(orgId).take(0, 0)).toBe(0);
  });
});
