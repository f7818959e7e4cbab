import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { EventChanges } from "./event-changes.js";

const textOf = (changes: AuditEvent["changes"]): string =>
  renderToStaticMarkup(createElement(EventChanges, { changes })).replaceAll(/<[^>]*>/g, "");

test("timestamps are shown in the viewer's time zone, other texts as they are", () => {
  // Without a zone, the text is in the viewer's.
  const expires = new Date("2026-03-04T05:06:07.008").toISOString();
  expect(textOf({ expires_at: { from: null, to: expires } })).toBe("expires at: Mar 4, 2026 05:06");
  const version = "2026-03-04T05:06 build";
  expect(textOf({ name: { from: "old", to: version } })).toBe(
    `name: old \u2192  becomes ${version}`,
  );
});
