import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { Markdown } from "./markdown.js";

const html = (text: string, isGrowing = false): string =>
  renderToStaticMarkup(createElement(Markdown, { text, isGrowing }));
const count = (text: string, part: string): number => text.split(part).length - 1;

test("Markdown becomes elements, and HTML and pictures stay text", () => {
  const made = html("# Title\n\n- **a**\n- `b`\n\n<b onclick=x>c</b> ![d](https://e.test/f.png)");
  expect(made).toContain("<strong");
  expect(count(made, "<li")).toBe(2);
  expect(made).toContain("&lt;b onclick=x&gt;");
  expect(made).not.toMatch(/<img|<b /);
});

test("an address is shown beside the text of its link, and only web addresses are links", () => {
  expect(html("[bank](https://evil.test/)")).toContain("bank (https://evil.test/)</bdi></a>");
  expect(html("[https://good.test/](https://evil.test/)")).toContain("(https://evil.test/)");
  for (const href of ["javascript:alert(1)", "data:text/html,x", "/api/v1/x", "vbscript:x"]) {
    expect(html(`[x](${href})`), href).not.toContain("<a ");
  }
});

test.each<[string, string]>([
  ["a table of many cells", `${"|a".repeat(2500)}\n${"|-".repeat(2500)}\n${"x\n".repeat(2000)}`],
  ["a table of many rows", `a|b\n-|-\n${"x\n".repeat(4000)}`],
  ["nested quotations", ">".repeat(5000)],
  ["nested brackets", "[".repeat(5000)],
  ["nested emphasis", "*_".repeat(4000)],
  ["nested lists", Array.from({ length: 60 }, (_, at) => `${" ".repeat(at * 2)}- x`).join("\n")],
  ["a long text", "word ".repeat(4000)],
])("%s stays small", (_what, text) => {
  const made = html(text);
  expect(count(made, "<")).toBeLessThan(1000);
});

test("a long text that grows is shown as it is", () => {
  const text = `**a** ${"word ".repeat(1000)}`;
  expect(html(text)).toContain("<strong");
  expect(html(text, true)).not.toContain("<strong");
});
