// Thorough: files of 95 000 keys or elements.
import { describe, expect, it } from "vitest";
import { outcome } from "#test/support/git/merge-texts.js";
import { scanToml } from "./parse-toml.js";
import { scanYaml } from "./parse-yaml.js";
import { NodeIds } from "./tree.js";

describe("files with 95 000 keys or elements", () => {
  const COUNT = 95_000;
  const lines = (line: (at: number, value: string) => string) => (first: string, last: string) =>
    Array.from({ length: COUNT }, (_, at) =>
      line(at, at === 5 ? first : at === COUNT - 5 ? last : "0"),
    );
  const file = (name: string, text: (first: string, last: string) => string) =>
    [name, text] as const;

  it.each([
    file("x.yaml", (...values) =>
      lines((at, value) => `key${at}: ${value} # ${at}\n`)(...values).join(""),
    ),
    file(
      "x.yaml",
      (...values) =>
        `a:\n${lines((at, value) => `  - id: ${at}\n    v: ${value}\n`)(...values).join("")}`,
    ),
    file(
      "x.json",
      (...values) =>
        `{\n${lines((at, value) => `  "key${at}": ${value}`)(...values).join(",\n")}\n}\n`,
    ),
    file(
      "x.json",
      (...values) =>
        `[\n${lines((at, value) => `  {"id": ${at}, "v": ${value}}`)(...values).join(",\n")}\n]\n`,
    ),
    file("x.toml", (...values) =>
      lines((at, value) => `key${at} = ${value} # ${at}\n`)(...values).join(""),
    ),
  ])("are merged: %s (%#)", (name, text) => {
    const texts = { base: text("0", "0"), target: text("1", "0"), source: text("0", "2") };
    // The message of a failure would contain the file.
    expect(outcome(name, texts) === text("1", "2")).toBe(true);
  });

  it("are not read by the general parsers if they are simple", () => {
    const text = (equals: string): string =>
      lines((at, value) => `key${at}${equals} ${value} # ${at}\n`)("1", "2").join("");
    expect(scanYaml(text(":"), new NodeIds())?.items).toHaveLength(COUNT);
    expect(scanToml(text(" ="), new NodeIds())?.items).toHaveLength(COUNT);
  });
});
