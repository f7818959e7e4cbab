import fc from "fast-check";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { PlainText } from "./plain-text.js";

const html = (value: string, multiline = false): string =>
  renderToStaticMarkup(createElement(PlainText, { value, multiline }));
const spans = (text: string): number => text.split("<span").length - 1;

test("a run of one invisible character is one mark", () => {
  expect(html(`a${"\u200b".repeat(5000)}b\u202e`)).toMatch(
    /^<bdi[^>]*>a<span[^>]*>U\+200B ×5000<\/span>b<span[^>]*>U\+202E<\/span><\/bdi>$/,
  );
});

test("a text has few marks, and no invisible character at all", () => {
  const characters = fc.constantFrom("a", "\u200b", "\u202e", "\u0007", "\n", "\u{e0041}", "é");
  fc.assert(
    fc.property(fc.string({ unit: characters, maxLength: 2000 }), fc.boolean(), (text, lines) => {
      const made = html(text, lines);
      expect(spans(made)).toBeLessThanOrEqual(200);
      expect(made).not.toMatch(/[\u200b\u202e\u0007]|[\u{e0041}]/u);
    }),
  );
  const flood = html("a\u200b".repeat(50_000));
  expect(spans(flood)).toBe(200);
  expect(flood).toContain("⟨U+200B⟩");
});
