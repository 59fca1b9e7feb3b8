/** Numbers and short texts as a page shows them. */

/** `12,345`. */
export const count = (value: number): string => value.toLocaleString("en-GB");

/** `1 node`, `2,400 nodes`. */
export const plural = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** A share as `3.1 %` or `<0.1 %`. */
export const percent = (share: number): string => {
  const value = 100 * share;
  if (value !== 0 && Math.abs(value) < 0.1) return `${value < 0 ? "−" : ""}<0.1 %`;
  return `${signed(value, Math.abs(value) < 10 ? 1 : 0, false)} %`;
};

/** Three significant figures, as a paper would print them, with a true minus sign. */
export const number = (value: number): string => {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(1).replaceAll("-", "−");
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return signed(value, places, false);
};

export const signed = (value: number, places: number, plus = true): string =>
  `${value < 0 ? "−" : plus ? "+" : ""}${Math.abs(value).toFixed(places)}`;

export const probability = (value: number): string =>
  value === 0
    ? "0"
    : value < 0.001
      ? value.toExponential(0).replaceAll("-", "−")
      : value.toFixed(value < 0.1 ? 3 : 2);

/** A strength of a change: `2`, `1.5`, `−1`. */
export const strengthText = (value: number): string => String(value).replace("-", "−");

/** A score between 0 and 1, or a dash where there is none. */
export const score = (value: number | null | undefined): string => value?.toFixed(2) ?? "–";

/** A text on one line, cut with an ellipsis. */
export const shortened = (text: string, most = 48): string => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
};

/** The sentence of an error. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
