import { expect, test } from "vitest";
import { sitePath } from "./site-path.js";

test.each([
  ["/", "/"],
  ["/organizations?archived=true#top", "/organizations?archived=true#top"],
  ["/a/../b", "/b"],
  ["/login?redirect=https://evil.example", "/login?redirect=https://evil.example"],
])("%s is a path of this site", (target, path) => {
  expect(sitePath(target)).toBe(path);
});

test.each([
  "",
  "organizations",
  "https://evil.example/",
  "//evil.example/",
  "///evil.example/",
  "/\\evil.example/",
  "/\t/evil.example/",
  "/\n//evil.example/",
  "/.//evil.example/",
  "/a/..//evil.example/",
  "/%2e//evil.example/",
  "javascript:alert(1)",
])("%j is not", (target) => {
  expect(sitePath(target)).toBeNull();
});
