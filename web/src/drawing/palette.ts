/** Colours: the style sheet's for the canvas, and those of groups. */

export interface Palette {
  paper: string;
  raised: string;
  line: string;
  ink: string;
  quiet: string;
  faint: string;
  accent: string;
  raises: string;
  lowers: string;
  feature: string;
}

export const PALETTE_NAMES: (keyof Palette)[] = [
  "paper",
  "raised",
  "line",
  "ink",
  "quiet",
  "faint",
  "accent",
  "raises",
  "lowers",
  "feature",
];

/** The style sheet's colours as the canvas needs them: resolved for light or dark. */
export function readPalette(element: HTMLElement): Palette {
  const probe = document.createElement("span");
  element.append(probe);
  const colors = Object.fromEntries(
    PALETTE_NAMES.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, getComputedStyle(probe).color];
    }),
  );
  probe.remove();
  return colors as unknown as Palette;
}

/** Colours that people with colour blindness can tell apart (after Okabe and Ito, a little darker). */
export const GROUP_COLORS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc5a9b",
  "#b58900",
  "#3f9fd0",
  "#7a52c7",
  "#7d6b5d",
];
