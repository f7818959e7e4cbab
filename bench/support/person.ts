import type { Locator, Page } from "playwright-core";

/**
 * Seconds of the keystroke-level model (Card, Moran and Newell, 1980): a decision, pointing, pressing
 * the button, and a character of an average typist.
 */
export const person = { decide: 1.35, point: 1.1, press: 0.2, character: 0.28 };

/** The effort of a person on a page until now. */
export interface Effort {
  clicks: number;
  characters: number;
  seconds: number;
}

/** Uses a page and counts what a person would do. */
export function userOf(page: Page) {
  const start = performance.now();
  let clicks = 0;
  let characters = 0;
  const click = async (target: Locator): Promise<void> => {
    await target.click();
    clicks += 1;
  };
  return {
    click,
    press: (name: string) => click(page.getByRole("button", { name, exact: true })),
    enter: async (label: string, text: string): Promise<void> => {
      const field = page.getByLabel(label, { exact: true });
      await click(field);
      // All at once: the page may move the focus while it appears, faster than a person types.
      await field.fill(text);
      characters += text.length;
    },
    /** Types into a field that has the focus. */
    type: async (field: Locator, text: string): Promise<void> => {
      await field.fill(text);
      characters += text.length;
    },
    select: async (label: string, value: string): Promise<void> => {
      const field = page.getByRole("combobox", { name: label, exact: true });
      await click(field);
      await field.selectOption(value);
    },
    effort: (): Effort => ({
      clicks,
      characters,
      seconds: (performance.now() - start) / 1000,
    }),
  };
}

/** Returns the seconds of a person, who decides, points and types. */
export function estimate({ clicks, characters, seconds: measured }: Effort): number {
  const { decide, point, press, character } = person;
  return measured + clicks * (decide + point + press) + characters * character;
}

export const seconds = (value: number): string => `${value.toFixed(1)} s`;
