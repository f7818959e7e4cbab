import { findersBy } from "../routes.js";

export const paged = { page: "number", limit: "number" } as const;
/** The usual limits of an installation. */
export const PAGE = { name: "limit", usual: 30, max: 50 };

export const inRepository = findersBy({
  repositoryOf: ({ owner = "", repo = "" }) => `${owner}/${repo}`,
  numberOf: ({ index = "0" }) => Number(index),
});
