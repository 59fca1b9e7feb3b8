/** Addresses of the page: each holds all that is needed to see the same again. */

export type Mode = "story" | "all" | "chosen" | "summary";
export type Tab = "node" | "groups" | "paths" | "test" | "about";

export interface View {
  mode: Mode;
  nodeThreshold: number;
  edgeThreshold: number;
  /** Ids of the selected nodes; the last one is what the panel shows. */
  selected: string[];
  /** The group that the panel shows: a person's (`g:<id>`), the story's (`b:<node id>`) or the summary's (`s:<place>`). */
  group: string | null;
  tab: Tab;
  /** Positions of a long prompt that a person unfolded. */
  unfolded: number[];
  camera: Camera | null;
  search: string;
}

/** Scale, then the shift in pixels. */
export type Camera = [number, number, number];

/** The view that a graph opens with; thresholds of 0 leave the choice to the graph. */
export const FIRST_VIEW: View = {
  mode: "story",
  nodeThreshold: 0,
  edgeThreshold: 0,
  selected: [],
  group: null,
  tab: "node",
  unfolded: [],
  camera: null,
  search: "",
};

export type Route =
  | { page: "library" }
  | { page: "new" }
  | { page: "graph"; id: string; view: View }
  | { page: "compare"; graphs: string[] }
  | { page: "unknown"; path: string };

/** The shape of a graph's id. */
const ID = /^[0-9a-f]{32}$/;

export function readRoute(hash: string): Route {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(decoded);
  if (parts[0] === "new") return { page: "new" };
  if (parts[0] === "g" && ID.test(parts[1])) return { page: "graph", id: parts[1], view: readView(query) };
  if (parts[0] === "compare" && parts[2] && parts.slice(1).every((id) => ID.test(id)))
    return { page: "compare", graphs: parts.slice(1) };
  return parts.length ? { page: "unknown", path: parts.join("/") } : { page: "library" };
}

/** An address that was cut off in the middle of a character is taken as it stands. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const MODES: Mode[] = ["story", "all", "chosen", "summary"];
const TABS: Tab[] = ["node", "groups", "paths", "test", "about"];

export function readView(query: string): View {
  const given = new URLSearchParams(query);
  const share = (name: string, otherwise: number) => {
    const value = Number(given.get(name) ?? NaN);
    return value > 0 && value <= 1 ? value : otherwise;
  };
  const list = (name: string) => given.get(name)?.split(",").filter(Boolean) ?? [];
  const camera = list("z").map(Number);
  return {
    mode: MODES.find((mode) => mode === given.get("m")) ?? FIRST_VIEW.mode,
    nodeThreshold: share("n", FIRST_VIEW.nodeThreshold),
    edgeThreshold: share("e", FIRST_VIEW.edgeThreshold),
    selected: list("s"),
    group: given.get("g"),
    tab: TABS.find((tab) => tab === given.get("t")) ?? FIRST_VIEW.tab,
    unfolded: list("u").map(Number).filter(Number.isInteger),
    camera: camera.length === 3 && camera.every(Number.isFinite) ? (camera as Camera) : null,
    search: given.get("q") ?? "",
  };
}

export function writeView(view: View): string {
  const query = new URLSearchParams();
  if (view.mode !== FIRST_VIEW.mode) query.set("m", view.mode);
  if (view.nodeThreshold !== FIRST_VIEW.nodeThreshold) query.set("n", String(view.nodeThreshold));
  if (view.edgeThreshold !== FIRST_VIEW.edgeThreshold) query.set("e", String(view.edgeThreshold));
  if (view.selected.length) query.set("s", view.selected.join(","));
  if (view.group) query.set("g", view.group);
  if (view.tab !== FIRST_VIEW.tab) query.set("t", view.tab);
  if (view.unfolded.length) query.set("u", view.unfolded.join(","));
  if (view.camera) query.set("z", view.camera.map((value) => value.toFixed(2)).join(","));
  if (view.search) query.set("q", view.search);
  return query.toString();
}

export const graphAddress = (id: string, view = FIRST_VIEW): string => {
  const query = writeView(view);
  return `#/g/${encodeURIComponent(id)}${query && `?${query}`}`;
};

/** A graph with one node selected, among all nodes. */
export const nodeAddress = (id: string, node: string): string =>
  graphAddress(id, { ...FIRST_VIEW, mode: "all", selected: [node] });

export const compareAddress = (...graphs: string[]): string =>
  `#/compare/${graphs.map(encodeURIComponent).join("/")}`;
