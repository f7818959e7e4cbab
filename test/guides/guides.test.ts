/** The commands of the guides of newcomers, and of people who connect other programs. Those of operators are in guides.thorough.test.ts. */
import { afterAll, beforeAll, describe } from "vitest";
import { firstGuides } from "./first-guides.js";
import { toolGuides } from "./tool-guides.js";
import { world } from "./world.js";

beforeAll(() => world.open());
afterAll(() => world.close());

describe("guides", () => {
  firstGuides();
  toolGuides();
});
