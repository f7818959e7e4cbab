import { expect, test } from "vitest";
import { userCodeFrom } from "./user-code.js";

test.each(["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-f-g-h-j-k"])("%j is a code", (text) => {
  expect(userCodeFrom(text)).toBe("BCDF-GHJK");
});

test.each(["", "BCDF", "BCDF-GHJKL", "ACDF-GHJK", "YCDF-GHJK", "ＢCDF-GHJK", "BCDF_GHJK"])(
  "%j is no code",
  (text) => {
    expect(userCodeFrom(text)).toBeNull();
  },
);
