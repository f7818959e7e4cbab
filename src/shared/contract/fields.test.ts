import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { email, jsonObject, name, page, reservedReason, slug } from "./fields.js";
import { slugFrom } from "../organization/slug-from.js";

describe("slugs", () => {
  test.each(["ab", "a1", "42", "acme-corp", "a-b-c", "x".repeat(63), "0-0"])(
    "%s is valid",
    (text) => {
      expect(slug.parse(text)).toBe(text);
    },
  );

  test.each([
    "",
    "a",
    "-",
    "--",
    "-a",
    "a-",
    "a--b",
    "Acme",
    "ACME",
    "a_b",
    "a b",
    " ab",
    "ab ",
    "a.b",
    "a/b",
    "a\\b",
    "a%20b",
    "ä-b",
    "ａｂ",
    "ab\n",
    "a\u0000b",
    "a\u200bb",
    "x".repeat(64),
  ])("%j is invalid", (text) => {
    expect(slug.safeParse(text).success).toBe(false);
  });

  test("made from any text are empty or, from two characters on, valid", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
        const made = slugFrom(text);
        expect(made.length <= 60 && !made.includes("--")).toBe(true);
        if (made.length >= 2) expect(slug.parse(made)).toBe(made);
        expect(slugFrom(made)).toBe(made);
      }),
    );
  });

  test.each([
    ["Acme Corp", "acme-corp"],
    ["Ünïcødé Straße", "unic-de-stra-e"],
    ["--a--", "a"],
    ["😀", ""],
    [`${"a".repeat(59)} bc`, "a".repeat(59)],
  ])("%j becomes %j", (text, made) => {
    expect(slugFrom(text)).toBe(made);
  });

  test("that look like paths or ids are reserved", () => {
    for (const text of ["new", "settings", "api", "01234567-89ab-cdef-0123-456789abcdef"]) {
      expect(reservedReason(text)).not.toBeNull();
    }
    for (const text of ["acme", "news", "01234567-89ab-cdef-0123-456789abcde"]) {
      expect(reservedReason(text)).toBeNull();
    }
  });
});

describe("other fields", () => {
  test("a name is trimmed and has at most 255 characters", () => {
    expect(name.parse("  Ann  ")).toBe("Ann");
    expect(name.parse("x".repeat(255))).toHaveLength(255);
    for (const bad of ["", " \n", "x".repeat(256), "a\u0000", 1, null, undefined]) {
      expect(name.safeParse(bad).success).toBe(false);
    }
  });

  test("an email address is compared in lower case", () => {
    expect(email.parse("Ann@Example.COM")).toBe("ann@example.com");
    for (const bad of ["ann", "ann@", "@example.com", "a b@example.com", "ann@example", ""]) {
      expect([bad, email.safeParse(bad).success]).toEqual([bad, false]);
    }
  });

  test("a JSON object is limited by the bytes of its text", () => {
    const small = jsonObject(1024);
    const frame = JSON.stringify({ a: "" }).length;
    expect(small.safeParse({ a: "x".repeat(1024 - frame) }).success).toBe(true);
    expect(small.safeParse({ a: "x".repeat(1025 - frame) }).success).toBe(false);
    expect(small.safeParse({ a: "ü".repeat((1026 - frame) / 2) }).success).toBe(false);
    for (const bad of [[], null, "x", 1, { a: "\u0000" }, { "\u0000": 1 }]) {
      expect([bad, small.safeParse(bad).success]).toEqual([bad, false]);
    }
  });

  test("a page has 100 rows by default and at most 200", () => {
    expect(page.parse({})).toEqual({ limit: 100 });
    expect(page.parse({ limit: "200", cursor: "c" })).toEqual({ limit: 200, cursor: "c" });
    for (const limit of ["0", "201", "-1", "1.5", "x", "Infinity", ""]) {
      expect([limit, page.safeParse({ limit }).success]).toEqual([limit, false]);
    }
  });
});
