/** The server's routes as functions. Every failure is an `Error` whose message is a sentence for a person. */

import type { Feature } from "../graph/feature.ts";
import type {
  AnnotationChanges,
  AnnotationsPatched,
  AnnotationValues,
  ComparisonAnswer,
  FeatureTableAnswer,
  NodeEdges,
  FeatureRecordAnswer,
  GalleryEntry,
  GraphEntry,
  GraphIndex,
  GraphModel,
  FeatureLabel,
  Job,
  JobRequest,
  ListedModel,
  Preview,
  PreviewRequest,
  ServerInfo,
  StoryAnswer,
  SuggestionAnswer,
  SummaryAnswer,
  TextHit,
} from "./types.ts";

/** A refusal of the server; `status` tells a missing model (409) from a mistake (422). */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What a page says while the server is away. */
export const NO_ANSWER = "The server does not answer; is clew serve still running?";

async function ask(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`/api${path}`, {
      method,
      body: body ?? null,
      headers: type ? { "content-type": type } : {},
      keepalive: method === "DELETE", // the last one may be sent as the page goes
    });
  } catch {
    throw new Refused(0, NO_ANSWER);
  }
  if (!answer.ok) throw new Refused(answer.status, await sentence(answer));
  return answer;
}

async function sentence(answer: Response): Promise<string> {
  try {
    const { detail } = (await answer.json()) as { detail: unknown };
    if (typeof detail === "string") return detail;
  } catch {
    // No JSON, so no sentence of its own.
  }
  return `The server answered ${answer.status} ${answer.statusText}.`;
}

const json = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
  const sent = body === undefined ? undefined : JSON.stringify(body);
  const answer = await ask(method, path, sent, sent && "application/json");
  return (answer.status === 204 ? undefined : await answer.json()) as T;
};

const part = encodeURIComponent;

export const info = () => json<ServerInfo>("GET", "/info");
export const models = () => json<ListedModel[]>("GET", "/models");
export const gallery = () => json<GalleryEntry[]>("GET", "/gallery");
export const openGalleryGraph = (name: string) => json<GraphEntry>("POST", `/gallery/${part(name)}`);
export const graphs = () => json<GraphEntry[]>("GET", "/graphs");
export const graph = (id: string) => json<GraphEntry>("GET", `/graphs/${part(id)}`);
export const modelOfGraph = (id: string) => json<GraphModel>("GET", `/graphs/${part(id)}/model`);
export const rename = (id: string, name: string) =>
  json<GraphEntry>("PATCH", `/graphs/${part(id)}`, { name });
export const remove = (id: string) => json<void>("DELETE", `/graphs/${part(id)}`);
export const restore = (id: string) => json<GraphEntry>("POST", `/graphs/${part(id)}/restore`);

export async function importGraph(file: File): Promise<GraphEntry> {
  const name = file.name.replace(/\.(clew|json)$/i, "");
  const answer = await ask("POST", `/graphs?name=${part(name)}`, file, "application/octet-stream");
  return (await answer.json()) as GraphEntry;
}

/** The graph's bytes, and how large the stored graph is where these are only its strongest part. */
export async function arrays(id: string): Promise<{ bytes: ArrayBuffer; nodes: number; edges: number }> {
  const answer = await ask("GET", `/graphs/${part(id)}/arrays`);
  const total = (name: string) => Number(answer.headers.get(name) ?? 0);
  return {
    bytes: await answer.arrayBuffer(),
    nodes: total("clew-nodes-total"),
    edges: total("clew-edges-total"),
  };
}

export const exportAddress = (id: string, format: "clew" | "json" | "html") =>
  `/api/graphs/${part(id)}/export?format=${format}`;

export const summary = (id: string, nodeThreshold: number, edgeThreshold: number) =>
  json<SummaryAnswer>(
    "GET",
    `/graphs/${part(id)}/summary?node_threshold=${nodeThreshold}&edge_threshold=${edgeThreshold}`,
  );

export const story = (id: string, nodeThreshold: number, edgeThreshold: number) =>
  json<StoryAnswer>(
    "GET",
    `/graphs/${part(id)}/story?node_threshold=${nodeThreshold}&edge_threshold=${edgeThreshold}`,
  );

export const suggestions = (id: string) => json<SuggestionAnswer[]>("GET", `/graphs/${part(id)}/suggestions`);

export const edgesOf = (id: string, node: string, direction: "in" | "out") =>
  json<NodeEdges>("GET", `/graphs/${part(id)}/nodes/${part(node)}/edges?direction=${direction}`);

export const annotations = (id: string) =>
  json<{ revision: number; values: AnnotationValues }>("GET", `/graphs/${part(id)}/annotations`);
export const annotate = (id: string, base: number, changes: AnnotationChanges) =>
  json<AnnotationsPatched>("PATCH", `/graphs/${part(id)}/annotations`, { base, changes });

export const graphIndex = (id: string) => json<GraphIndex>("GET", `/graphs/${part(id)}/index`);
const featurePath = (id: string, { layer, index }: Feature) =>
  `/graphs/${part(id)}/features/${layer}/${index}`;
export const featureDetails = (id: string, feature: Feature) =>
  json<FeatureRecordAnswer>("GET", featurePath(id, feature));
export const labelFeature = (id: string, feature: Feature, text: string) =>
  json<{ label: FeatureLabel | null }>("PUT", `${featurePath(id, feature)}/label`, { text });
export const searchTexts = (id: string, query: string, count = 50) =>
  json<TextHit[]>("GET", `/graphs/${part(id)}/texts?query=${part(query)}&count=${count}`);

export const compare = (left: string, right: string) =>
  json<ComparisonAnswer>("GET", `/compare?left=${part(left)}&right=${part(right)}`);
export const compareFeatures = (graphs: readonly string[]) =>
  json<FeatureTableAnswer>("GET", `/compare/features?${graphs.map((id) => `graph=${part(id)}`).join("&")}`);

export const look = (request: PreviewRequest) => json<Preview>("POST", "/look", request);

export const start = (request: JobRequest) => json<Job>("POST", "/jobs", request);
export const jobs = (graphId?: string) =>
  json<Job[]>("GET", graphId ? `/jobs?graph=${part(graphId)}` : "/jobs");
export const job = (id: string) => json<Job>("GET", `/jobs/${part(id)}`);
export const stop = (id: string) => json<void>("DELETE", `/jobs/${part(id)}`);
