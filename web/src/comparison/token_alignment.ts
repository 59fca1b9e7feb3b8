/** Two prompts in one row of columns, tokens that correspond in the same one. */

/** Left, then right. */
export type Both<T> = [T, T];

/** A position of the left prompt, of the right one, or both. */
export interface Column {
  left: number | null;
  right: number | null;
}

export function alignedColumns(positions: readonly Both<number>[], left: number, right: number): Column[] {
  const columns: Column[] = [];
  let [nextLeft, nextRight] = [0, 0];
  const upTo = (endLeft: number, endRight: number) => {
    while (nextLeft < endLeft) columns.push({ left: nextLeft++, right: null });
    while (nextRight < endRight) columns.push({ left: null, right: nextRight++ });
  };
  for (const [one, other] of positions) {
    upTo(one, other);
    columns.push({ left: nextLeft++, right: nextRight++ });
  }
  upTo(left, right);
  return columns;
}
