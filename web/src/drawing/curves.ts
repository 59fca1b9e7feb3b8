/** Curves between boxes: from the upper edge of the lower box to the lower edge of the upper one. */

export interface Rectangle {
  /** Middle of the box. */
  x: number;
  y: number;
  width: number;
  height: number;
}

/** A cubic curve whose ends are vertical, and its arrowhead. */
export interface Curve {
  /** Begin, two control points, end: `[x0, y0, x1, y1, x2, y2, x3, y3]`. */
  points: [number, number, number, number, number, number, number, number];
  /** Corners of the arrowhead: tip, left, right. */
  head: [[number, number], [number, number], [number, number]];
}

/** Part of a box's width over which lines are spread, and pixels between two of them at most. */
const SPREAD = 0.7;
const BETWEEN = 16;

const top = (box: Rectangle) => box.y - box.height / 2;
const bottom = (box: Rectangle) => box.y + box.height / 2;

/** True where a line from one box to the other runs downwards, because the other lies wholly below. */
const runsDown = (from: Rectangle, to: Rectangle) => top(to) >= bottom(from);

/**
 * A curve for each line. Lines that share an edge of a box are spread along it, in the order of their other ends, so
 * that their arrowheads stand side by side. Boxes side by side are joined from the top of one to the bottom of the
 * other.
 */
export function routeCurves(
  boxes: readonly Rectangle[],
  lines: readonly { source: number; target: number }[],
  widthOf: (line: number) => number,
): Curve[] {
  const ends = new Map<string, { line: number; other: number; isTarget: boolean }[]>();
  const join = (box: number, side: "top" | "bottom", line: number, other: number, isTarget: boolean) => {
    const key = `${box} ${side}`;
    if (!ends.has(key)) ends.set(key, []);
    ends.get(key)!.push({ line, other: boxes[other].x, isTarget });
  };
  lines.forEach(({ source, target }, line) => {
    const down = runsDown(boxes[source], boxes[target]);
    join(source, down ? "bottom" : "top", line, target, false);
    join(target, down ? "top" : "bottom", line, source, true);
  });
  const begins = new Float64Array(lines.length);
  const stops = new Float64Array(lines.length);
  for (const [key, list] of ends) {
    const box = boxes[parseInt(key)];
    list.sort((one, other) => one.other - other.other || one.line - other.line);
    const step = Math.min(BETWEEN, (SPREAD * box.width) / list.length);
    list.forEach(({ line, isTarget }, rank) => {
      (isTarget ? stops : begins)[line] = box.x + (rank - (list.length - 1) / 2) * step;
    });
  }
  return lines.map(({ source, target }, line) =>
    curveBetween(boxes[source], boxes[target], begins[line], stops[line], widthOf(line)),
  );
}

function curveBetween(from: Rectangle, to: Rectangle, x0: number, x3: number, width: number): Curve {
  const down = runsDown(from, to);
  const up = down ? -1 : 1; // the direction in which y shrinks
  const y0 = down ? bottom(from) : top(from);
  const tip = down ? top(to) : bottom(to);
  const length = 5 + 1.3 * width;
  const y3 = tip + up * length;
  const bend = Math.max(18, Math.abs(y0 - y3) * 0.45);
  const half = 2.5 + 0.9 * width;
  return {
    points: [x0, y0, x0, y0 - up * bend, x3, y3 + up * bend, x3, y3],
    head: [
      [x3, tip],
      [x3 - half, y3],
      [x3 + half, y3],
    ],
  };
}

const at = (value: number) => value.toFixed(1);

/** A curve as the path of an SVG. */
export const pathOf = ({ points: [x0, y0, x1, y1, x2, y2, x3, y3] }: Curve): string =>
  `M${at(x0)},${at(y0)}C${at(x1)},${at(y1)} ${at(x2)},${at(y2)} ${at(x3)},${at(y3)}`;

/** An arrowhead as the path of an SVG. */
export const headPathOf = ({ head }: Curve): string =>
  `M${head.map(([x, y]) => `${at(x)},${at(y)}`).join("L")}Z`;

/** The point at `t` (0 to 1) of a curve. */
export function pointOn({ points }: Curve, t: number): [number, number] {
  const [x0, y0, x1, y1, x2, y2, x3, y3] = points;
  const s = 1 - t;
  const of = (a: number, b: number, c: number, d: number) =>
    s * s * s * a + 3 * s * s * t * b + 3 * s * t * t * c + t * t * t * d;
  return [of(x0, x1, x2, x3), of(y0, y1, y2, y3)];
}
