/** The style sheet's colours in either theme, whichever the page shows. */

import { PALETTE_NAMES, type Palette } from "../drawing/palette.ts";
import sheet from "../style.css?raw";

export type Theme = "light" | "dark";

export function themePalette(theme: Theme): Palette {
  const entries = PALETTE_NAMES.map((name) => {
    const pair = new RegExp(`--${name}:\\s*light-dark\\((#[0-9a-f]{6}),\\s*(#[0-9a-f]{6})\\)`).exec(sheet);
    if (!pair) throw new Error(`The style sheet lacks the color ${name}.`);
    return [name, pair[theme === "light" ? 1 : 2]];
  });
  return Object.fromEntries(entries) as unknown as Palette;
}

/** `share` of a colour over another, both as `#rrggbb`. */
export function mixed(color: string, share: number, over: string): string {
  const parts = [1, 3, 5].map((at) => {
    const [one, other] = [color, over].map((each) => parseInt(each.slice(at, at + 2), 16));
    return Math.round(one * share + other * (1 - share))
      .toString(16)
      .padStart(2, "0");
  });
  return `#${parts.join("")}`;
}
