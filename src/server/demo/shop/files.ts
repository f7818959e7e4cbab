/** The first files of the project that the demo's tasks change. */
export const shopFiles: Record<string, string> = {
  "README.md": `# Checkout

Carts, prices and payment of the shop.

| folder        | contents                     |
| ------------- | ---------------------------- |
| \`src/cart\`    | lines and their sum          |
| \`src/invoice\` | totals of invoices           |
| \`src/payment\` | refunds, exchange rates      |
| \`src/legacy\`  | the basket of the old shop   |
`,
  "package.json": `{
  "name": "checkout",
  "private": true,
  "type": "module",
  "scripts": { "test": "vitest run" }
}
`,
  "src/cart/cart.ts": `export interface Line {
  name: string;
  quantity: number;
  unitCents: number;
  discount?: number;
}

export class Cart {
  readonly lines: Line[] = [];

  add(line: Line): void {
    this.lines.push(line);
  }

  total(): number {
    let sum = 0;
    for (const line of this.lines) sum += line.quantity * line.unitCents;
    return sum;
  }
}
`,
  "src/invoice/total.ts": `import type { Line } from "../cart/cart.js";

/** The total of an invoice in cents, with VAT. */
export function totalOf(lines: readonly Line[], vat: number): number {
  let cents = 0;
  for (const line of lines) {
    cents += Math.round(line.quantity * line.unitCents * (1 + vat));
  }
  return cents;
}
`,
  "src/payment/refund.ts": `/** Returns the cents of a partial refund. */
export function refund(paidCents: number, share: number): number {
  const cents = Math.round(paidCents * share);
  return cents;
}
`,
  "src/payment/rates.ts": `/** Loads the exchange rate of a currency to the euro. */
export async function loadRate(currency: string): Promise<number> {
  const answer = await fetch(\`\${process.env.RATES_URL}/\${currency}\`);
  const { rate } = (await answer.json()) as { rate: number };
  return rate;
}
`,
  "src/legacy/basket.ts": `/** The basket of the old shop. */
export const basket: string[] = [];
`,
  "test/total.test.ts": `import { expect, test } from "vitest";
import { totalOf } from "../src/invoice/total.js";

test("adds VAT to each line", () => {
  expect(totalOf([{ name: "Mug", quantity: 2, unitCents: 1000 }], 0.19)).toBe(2380);
});
`,
  "test/payment.test.ts": `import { expect, test } from "vitest";
import { refund } from "../src/payment/refund.js";

test("refunds a third", () => {
  expect(refund(1000, 1 / 3)).toBe(333);
});
`,
};
