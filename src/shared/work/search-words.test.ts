import { describe, expect, test } from "vitest";
import { resembles, searchWords } from "./search-words.js";

const finds = (typed: string, text: string): boolean => resembles(text, searchWords(typed));

describe("search by words", () => {
  test("words match in any order and in any script", () => {
    expect(finds("cents round", "Invoices round half cents")).toBe(true);
    expect(finds("grosse", "Größe ändern")).toBe(true);
    expect(finds("ÄNDERN", "Größe a\u0308ndern")).toBe(true);
    expect(finds("端数", "端数処理を直す")).toBe(true);
    expect(finds("округление", "Исправить Округление")).toBe(true);
    expect(finds("التقريب", "إصلاح التقريب")).toBe(true);
    expect(finds("cents dollars", "Invoices round half cents")).toBe(false);
  });

  test("letters may be wrong, missing, added or swapped", () => {
    for (const typed of ["roundimg", "ronuding", "roundng", "rounnding", "ruonding invoises"])
      expect([typed, finds(typed, "Fix the rounding of invoices")]).toEqual([typed, true]);
    expect(finds("端数所理", "税の端数処理を直す")).toBe(true);
    expect(finds("окруление", "Исправить округление")).toBe(true);
    expect(finds("oderform", "src/shop/OrderForm.tsx")).toBe(true);
  });

  test("short words are exact, and other words do not match", () => {
    expect(finds("tex", "Pay the tax")).toBe(false);
    expect(finds("weather", "Fix the rounding of invoices")).toBe(false);
    expect(finds("ounding", "Fix the sounding board")).toBe(true);
    expect(finds("bounding", "Fix the surroundings")).toBe(false);
    expect(finds("  ", "Anything")).toBe(false);
  });

  test("long texts take little time", () => {
    const start = performance.now();
    for (let count = 0; count < 200; count += 1) finds("abcabcabd".repeat(20), "abc".repeat(85));
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
