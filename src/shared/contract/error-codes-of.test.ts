import { describe, expect, test } from "vitest";
import { api } from "../api/index.js";
import type { ErrorCode } from "../errors.js";
import { endpoint, type Endpoint } from "./endpoint.js";
import { derivedErrorCodes, errorCodesOf } from "./error-codes-of.js";

describe("the error codes of a call", () => {
  test("follow from its method and its access", () => {
    const base = { path: "/x", summary: "…" } as const;
    const codesOf = (call: Endpoint): ErrorCode[] => errorCodesOf(call);
    const list = codesOf(endpoint({ ...base, method: "GET", access: "public" }));
    expect(list).toEqual([
      "internal",
      "unavailable",
      "home_unavailable",
      "no_space",
      "bad_request",
      "request_timeout",
      "headers_too_large",
    ]);
    const create = codesOf(endpoint({ ...base, method: "POST", access: "signed-in" }));
    expect(create).toEqual(
      expect.arrayContaining(["unauthenticated", "cross_origin", "idempotency_mismatch"]),
    );
    expect(create).toContain("maintenance");
    expect(create).not.toContain("stale");
    expect(create).not.toContain("insufficient_permission");
    const manage = endpoint({ ...base, method: "POST", access: "super-admin" });
    expect(codesOf(manage)).not.toContain("maintenance");
    const change = codesOf(
      endpoint({ ...base, path: "/x/{org_id}", method: "PATCH", access: "org:write" }),
    );
    expect(change).toEqual(
      expect.arrayContaining(["insufficient_permission", "organization_archived", "stale"]),
    );
    expect(change).not.toContain("idempotency_mismatch");
    const signIn = codesOf(endpoint({ ...base, method: "POST", access: "public" }));
    // From inside a run.
    expect(signIn).toContain("insufficient_permission");
    expect(signIn).not.toContain("idempotency_mismatch");
  });

  test("are declared once, and only if they do not follow from the call", () => {
    const repeated = Object.entries(api).flatMap(([resource, calls]) =>
      Object.entries(calls as Record<string, Endpoint>).flatMap(([name, call]) => {
        const derived = derivedErrorCodes(call);
        return call.errors
          .filter((code, index) => derived.includes(code) || call.errors.indexOf(code) !== index)
          .map((code) => `${resource}.${name}: ${code}`);
      }),
    );
    expect(repeated).toEqual([]);
  });
});
