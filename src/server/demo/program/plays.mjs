/** The plays of the demo's agent, one for each task: a plan, and steps with their values. */

const tests = "npm test";
const passed = (count) => `✓ cart  ✓ invoice  ✓ payment\n${count} passed`;

/** A change of one new file with its test, at an even pace. */
const addFile = (path, name, code, seconds = 8) => ({
  plan: ["Read the neighbors", `Write ${name}`, "Test it"],
  steps: [
    ["thought", `The project has no ${name} yet. I look at how its neighbors are written first.`],
    ["read", "README.md"],
    ["read", "src/cart/cart.ts"],
    ["wait", seconds],
    ["write", path, code],
    ["wait", seconds],
    [
      "write",
      `test/${name}.test.ts`,
      `import { expect, test } from "vitest";\nimport { ${name} } from "../${path.replace(/\.ts$/, ".js")}";\n\ntest("${name}", () => {\n  expect(${name}).toBeDefined();\n});\n`,
    ],
    ["wait", seconds],
    ["run", tests, passed(39), 4],
    ["say", `I added \`${name}\` in \`${path}\`, with a test. All tests pass.`],
  ],
});

const roundHalfEven = `/** Rounds half cents to the even cent, as accounting expects. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const isHalf = Math.abs(value - floor - 0.5) < 1e-9;
  if (!isHalf) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
`;

/** Fixes of the nightly build by the suite that fails. */
const nightly = [
  [
    /midnight/i,
    "startOfDay",
    "/** Midnight of a day in UTC, so that tests do not depend on the zone. */\nexport const startOfDay = (at: Date): Date =>\n  new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate()));\n",
  ],
  [
    /summer time/i,
    "hoursOf",
    "/** Whole hours between two times, also across a change to summer time. */\nexport const hoursOf = (from: Date, to: Date): number =>\n  Math.floor((to.getTime() - from.getTime()) / 3_600_000);\n",
  ],
  [
    /leap years/i,
    "isLeapYear",
    "/** Whether a year has a February 29. */\nexport const isLeapYear = (year: number): boolean =>\n  (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;\n",
  ],
  [
    /time zones/i,
    "inZone",
    '/** Formats a time in a zone. */\nexport const inZone = (at: Date, timeZone: string): string =>\n  at.toLocaleString("en", { timeZone });\n',
  ],
];

/** @type {readonly [RegExp, (text: string) => { plan?: string[], steps: any[][] }][]} */
const plays = [
  [
    /half cents/i,
    () => ({
      plan: ["Find where cents are rounded", "Round half to even", "Ask about refunds"],
      steps: [
        [
          "thought",
          "Math.round rounds half up, so 0.5 cents are always rounded up. Two places round.",
        ],
        ["read", "src/invoice/total.ts"],
        ["read", "src/payment/refund.ts"],
        ["write", "src/invoice/round.ts", roundHalfEven],
        ["edit", "src/invoice/total.ts", "Math.round(", "roundHalfEven("],
        [
          "edit",
          "src/invoice/total.ts",
          'import type { Line } from "../cart/cart.js";\n',
          'import type { Line } from "../cart/cart.js";\nimport { roundHalfEven } from "./round.js";\n',
        ],
        ["run", tests, passed(38), 3],
        [
          "say",
          "Invoices now round half cents to the even cent. Refunds in `src/payment/refund.ts` still round half up. Should refunds round the same way?",
        ],
      ],
    }),
  ],
  [
    /legacy basket/i,
    () => ({
      plan: ["Check that nothing imports it", "Remove it"],
      steps: [
        ["read", "src/legacy/basket.ts"],
        ["run", "grep -rn legacy/basket src", "", 1],
        ["thought", "Nothing imports the basket any more. Removing a folder needs permission."],
        ["ask", "rm -rf src/legacy", "src/legacy"],
        ["run", tests, passed(36), 3],
        ["say", "The legacy basket is gone; nothing imported it."],
      ],
    }),
  ],
  [
    /split the cart/i,
    () => ({
      plan: ["Move prices to a module", "Adapt the cart", "Test"],
      steps: [
        ["read", "src/cart/cart.ts"],
        [
          "write",
          "src/cart/prices.ts",
          'import type { Line } from "./cart.js";\n\n/** The price of a line in cents, with its discount. */\nexport function priceOf(line: Line): number {\n  const full = line.quantity * line.unitCents;\n  return full - Math.round(full * (line.discount ?? 0));\n}\n\n/** The price of all lines in cents. */\nexport function sumOf(lines: readonly Line[]): number {\n  return lines.reduce((sum, line) => sum + priceOf(line), 0);\n}\n',
        ],
        [
          "edit",
          "src/cart/cart.ts",
          "  total(): number {\n    let sum = 0;\n    for (const line of this.lines) sum += line.quantity * line.unitCents;\n    return sum;\n  }\n",
          "  total(): number {\n    return sumOf(this.lines);\n  }\n",
        ],
        [
          "edit",
          "src/cart/cart.ts",
          "export interface Line {",
          'import { sumOf } from "./prices.js";\n\nexport interface Line {',
        ],
        ["run", tests, passed(41), 3],
        [
          "say",
          "The prices of the cart are a module of their own, `src/cart/prices.ts`; the cart keeps its interface.",
        ],
      ],
    }),
  ],
  [
    /exchange rates/i,
    (text) => {
      const isSecond = /at most a hundred/i.test(text);
      const cache = isSecond
        ? "/** Keeps each rate for ten minutes, and at most a hundred of them. */\nconst kept = new Map<string, { rate: number; until: number }>();\nconst MAX_RATES = 100;\n\nexport async function cachedRate(currency: string, load: (currency: string) => Promise<number>): Promise<number> {\n  const known = kept.get(currency);\n  if (known && known.until > Date.now()) return known.rate;\n  const rate = await load(currency);\n  if (kept.size >= MAX_RATES) kept.delete([...kept.keys()][0] as string);\n  kept.set(currency, { rate, until: Date.now() + 600_000 });\n  return rate;\n}\n"
        : "/** Keeps each rate for ten minutes. */\nconst kept = new Map<string, { rate: number; until: number }>();\n\nexport async function cachedRate(currency: string, load: (currency: string) => Promise<number>): Promise<number> {\n  const known = kept.get(currency);\n  if (known && known.until > Date.now()) return known.rate;\n  const rate = await load(currency);\n  kept.set(currency, { rate, until: Date.now() + 600_000 });\n  return rate;\n}\n";
      return {
        plan: ["Read how rates are loaded", "Cache them", "Test"],
        steps: [
          ["read", "src/payment/rates.ts"],
          ["write", "src/payment/cached-rates.ts", cache],
          ...(isSecond
            ? [
                [
                  "write",
                  "docs/rates.md",
                  "# Exchange rates\n\nRates are kept for ten minutes, at most a hundred.\n",
                ],
              ]
            : []),
          ["run", tests, passed(40), 3],
          ["say", "Rates are cached for ten minutes."],
        ],
      };
    },
  ],
  [
    /flaky payment/i,
    () => ({
      plan: ["Reproduce the failure", "Fix it"],
      steps: [
        ["read", "test/payment.test.ts"],
        [
          "run",
          "npm test -- payment",
          "AssertionError: expected 2 to be 3\n  test/payment.test.ts:14",
          2,
        ],
        [
          "say",
          "The test fails in one run of five, and the payment sandbox is not reachable from here.",
        ],
        ["exit", 1],
      ],
    }),
  ],
  [
    /audit log/i,
    () => ({
      plan: ["Design the entries", "Write them for refunds", "Migrate old refunds", "Test"],
      steps: [
        [
          "thought",
          "Each refund needs who, when, how much and why. Entries are appended and never changed.",
        ],
        ["read", "src/payment/refund.ts"],
        [
          "write",
          "src/audit/entry.ts",
          "/** One entry of the audit log. */\nexport interface Entry {\n  at: Date;\n  by: string;\n  refund: string;\n  cents: number;\n  reason: string;\n}\n",
        ],
        [
          "say",
          "I write the entries first, then migrate the refunds of the last years in batches.",
        ],
        ...Array.from({ length: 20 }, (_, batch) => [
          [
            "run",
            `node scripts/migrate.js --batch ${batch + 1}/20`,
            `Applied migration batch ${batch + 1} of 20: 100 refunds`,
            6,
          ],
          ["wait", 24],
        ]).flat(),
        [
          "edit",
          "src/payment/refund.ts",
          "return cents;",
          "append({ at: new Date(), by, refund: id, cents, reason });\n  return cents;",
        ],
        ["run", tests, passed(44), 4],
        ["say", "Refunds write an audit log; the refunds of the last years are migrated."],
      ],
    }),
  ],
  [
    /environment variables/i,
    () => ({
      plan: ["List all variables", "Type them", "Replace the reads"],
      steps: [
        ["run", "grep -rn process.env src", "src/payment/rates.ts:4\nsrc/payment/refund.ts:2", 2],
        [
          "write",
          "src/env.ts",
          'const text = (name: string): string => {\n  const value = process.env[name];\n  if (!value) throw new Error(`${name} is not set`);\n  return value;\n};\n\nexport const env = { ratesUrl: text("RATES_URL"), shopId: text("SHOP_ID") };\n',
        ],
        ...Array.from({ length: 12 }, (_, at) => [
          [
            "thought",
            `Place ${at + 1} of 12 reads a variable that may be missing; it becomes a property of env. `,
          ],
          ["read", ["src/payment/rates.ts", "src/payment/refund.ts", "src/cart/cart.ts"][at % 3]],
          ["wait", 26],
          ["run", "npx tsc --noEmit", "Found 0 errors.", 4],
        ]).flat(),
        [
          "say",
          "All variables are typed in `src/env.ts`, and a missing one is named at the start.",
        ],
      ],
    }),
  ],
  [
    /two decimals/i,
    () => ({
      steps: [
        ["read", "src/invoice/total.ts"],
        [
          "write",
          "src/invoice/format.ts",
          '/** Formats cents as an amount with two decimals: 1205 is "12.05". */\nexport const formatCents = (cents: number): string => (cents / 100).toFixed(2);\n',
        ],
        ["run", tests, passed(37), 1],
        ["say", "Prices are shown with two decimals."],
      ],
    }),
  ],
  [
    /empty cart/i,
    () => ({
      steps: [
        ["read", "src/cart/cart.ts"],
        [
          "edit",
          "src/cart/cart.ts",
          "  total(): number {",
          "  get isEmpty(): boolean {\n    return this.lines.length === 0;\n  }\n\n  total(): number {",
        ],
        ["run", tests, passed(38), 1],
        ["say", "A cart knows whether it is empty, and an empty one cannot be paid."],
      ],
    }),
  ],
  [
    /health/i,
    () =>
      addFile(
        "src/http/health.ts",
        "health",
        'export const health = (): { status: string } => ({ status: "ok" });\n',
      ),
  ],
  [
    /order list/i,
    () =>
      addFile(
        "src/order/page.ts",
        "pageOf",
        "/** Returns a page of a list. */\nexport const pageOf = <Item>(items: readonly Item[], page: number, size = 50): Item[] =>\n  items.slice((page - 1) * size, page * size);\n",
      ),
  ],
  [
    /webhooks/i,
    () =>
      addFile(
        "src/http/retry.ts",
        "retry",
        "/** Calls again after 1, 2 and 4 seconds. */\nexport async function retry<Result>(work: () => Promise<Result>, tries = 4): Promise<Result> {\n  for (let at = 1; ; at += 1) {\n    try {\n      return await work();\n    } catch (error) {\n      if (at === tries) throw error;\n      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** at));\n    }\n  }\n}\n",
      ),
  ],
  [
    /vat/i,
    () =>
      addFile(
        "src/invoice/vat.ts",
        "vatOf",
        "/** The VAT of an amount in cents, at a rate such as 0.19. */\nexport const vatOf = (cents: number, rate: number): number => Math.round(cents * rate);\n",
      ),
  ],
  [
    /coupon/i,
    () =>
      addFile(
        "src/cart/coupon.ts",
        "applyCoupon",
        "/** Subtracts a coupon, never below zero. */\nexport const applyCoupon = (cents: number, coupon: number): number => Math.max(cents - coupon, 0);\n",
      ),
  ],
  [
    /slow quer/i,
    () =>
      addFile(
        "src/order/by-customer.ts",
        "byCustomer",
        "/** Orders by customer, built once. */\nexport const byCustomer = <Order extends { customer: string }>(orders: readonly Order[]): Map<string, Order[]> =>\n  Map.groupBy(orders, ({ customer }) => customer);\n",
      ),
  ],
  [
    /shipping/i,
    () =>
      addFile(
        "src/order/shipping.ts",
        "shippingCents",
        "/** Shipping is free above 50. */\nexport const shippingCents = (cents: number): number => (cents >= 5000 ? 0 : 490);\n",
      ),
  ],
  [
    /stock/i,
    () =>
      addFile(
        "src/order/stock.ts",
        "isInStock",
        "/** Whether enough pieces are left. */\nexport const isInStock = (left: number, wanted: number): boolean => wanted > 0 && wanted <= left;\n",
      ),
  ],
  [
    /nightly build/i,
    (text) => {
      const [, name, code] = nightly.find(([words]) => words.test(text)) ?? nightly[0];
      return addFile(`src/order/${name}.ts`, name, code, 5);
    },
  ],
  [
    /export the invoices/i,
    () =>
      addFile(
        "src/invoice/csv.ts",
        "csvOf",
        '/** Returns rows as CSV. */\nexport const csvOf = (rows: readonly string[][]): string =>\n  rows.map((row) => row.map((cell) => JSON.stringify(cell)).join(",")).join("\\n");\n',
      ),
  ],
  [
    /gift cards/i,
    () =>
      addFile(
        "src/payment/gift-card.ts",
        "payBy",
        "/** Returns what remains to be paid after a gift card. */\nexport const payBy = (cents: number, card: number): number => cents - Math.min(cents, card);\n",
      ),
  ],
  [
    /delivery date/i,
    () =>
      addFile(
        "src/order/delivery.ts",
        "deliveryDay",
        "/** Returns the day of a delivery, two days after the order. */\nexport const deliveryDay = (at: Date): Date => new Date(at.getTime() + 2 * 86_400_000);\n",
      ),
  ],
  [
    /returns of goods/i,
    () =>
      addFile(
        "src/order/returns.ts",
        "isReturnable",
        "/** Goods can be returned for thirty days. */\nexport const isReturnable = (days: number): boolean => days >= 0 && days <= 30;\n",
      ),
  ],
  [
    /loyalty points/i,
    () =>
      addFile(
        "src/cart/points.ts",
        "pointsOf",
        "/** One point for each full euro. */\nexport const pointsOf = (cents: number): number => Math.floor(cents / 100);\n",
      ),
  ],
  [
    /rounding/i,
    () => ({
      steps: [
        ["write", "docs/rounding.md", "# Rounding\n\nHalf cents are rounded to the even cent.\n"],
        ["say", "I described the rounding."],
      ],
    }),
  ],
];

/** Returns the turn for the first prompt of a task. */
export function playFor(text) {
  const found = plays.find(([words]) => words.test(text));
  if (found) return found[1](text);
  return {
    steps: [
      ["read", "README.md"],
      ["write", "docs/notes.md", `# Notes\n\n${text.split("\n")[0]}\n`],
      [
        "say",
        "I am the demo's scripted agent, so I only took a note in `docs/notes.md`. Add a model key to start a real one.",
      ],
    ],
  };
}

/** Returns the turn for a later prompt: an answer, or a review with its comments. */
export function answerPlay(text) {
  const threads = /requests? changes|thread /i.test(text);
  return {
    steps: [
      [
        "thought",
        threads ? "A review: I go through its comments." : "An answer: I continue with it.",
      ],
      ["read", "src/payment/refund.ts"],
      ["edit", "src/payment/refund.ts", "Math.round(", "Math.trunc("],
      ["run", tests, passed(42), 3],
      [
        "say",
        threads
          ? "I made the requested changes."
          : "Done: refunds follow the same rule, and all tests pass.",
      ],
    ],
  };
}
