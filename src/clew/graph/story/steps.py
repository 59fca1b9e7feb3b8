"""Steps of a story: features at one word that mean the same, ranked by what they do to the answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from clew.graph.arrays import GraphArrays, NodeKind
from clew.graph.influence import Flow
from clew.graph.story.effects import leaving_effects
from clew.graph.story.function_words import is_function_word
from clew.graph.story.meanings import Meaning, meaning_of, term_rows
from clew.graph.summary.clustering import gather
from clew.graph.summary.topics import shared_words
from clew.graph.summary.words import Words, stem

MOST_COMPARED = 2000
"""The most influential features are compared; bounds time and memory."""
PER_WORD = 6
"""Groups on one word that are considered."""
ALIKE = 0.4
"""Cosine of terms from which two features mean the same."""
LEAST_SHARE = 0.001
"""Share of the influence from which a group is considered ..."""
LEAST_EFFECT = 0.1
"""... and its effect on the likeliest output, in logits."""
LITTLE = 0.4
"""Worth of a name that says no more than the word it is on, or that function words alone make up."""
WORTH = {"label": 1.0, "facts": 0.9, "words": 0.6}
"""Worth of a name by what it was made of."""
FEWEST_PROMOTED = 3
"""Words that features must promote together, for these to be their name."""
OF_LABELS, OF_FACTS = 1 / 3, 0.3
"""Share of a group's influence that its label's kind, or a word or context in its name, must have."""


@dataclass(frozen=True)
class Step:
    """Features that mean the same, and the parts of their name."""

    nodes: Int64[np.ndarray, " member"]
    name: str
    label: str = ""
    """The label that most of them share, if the name is one."""
    words: tuple[str, ...] = ()
    fires_on: tuple[str, ...] = ()
    context: str = ""
    worth: float = 1.0


def steps_among(
    graph: GraphArrays, nodes: Int64[np.ndarray, " feature"], flow: Flow, words: Words, most: int
) -> list[Step]:
    """At most `most` groups of features, those of most effect and the best names first."""
    total = float(flow.influence.sum()) or 1.0
    nodes = nodes[np.argsort(-flow.influence[nodes], kind="stable")][:MOST_COMPARED]
    steps: list[Step] = []
    for members in _by_word(graph, nodes):
        meanings = [meaning_of(graph, node) for node in members.tolist()]
        rows = term_rows(graph, members, meanings, words)
        known = np.flatnonzero(rows.any(axis=1))
        mass = flow.influence[members[known]]
        for each in gather(rows[known] @ rows[known].T >= ALIKE, mass, lambda _: True, PER_WORD):
            group = known[each]
            if flow.influence[members[group]].sum() >= LEAST_SHARE * total:
                steps += _named(graph, members[group], [meanings[at] for at in group.tolist()], flow, words)
    return best_of(graph, _merged(steps), most)


def _by_word(graph: GraphArrays, nodes: np.ndarray) -> list[np.ndarray]:
    """The nodes by the text of their token; the answering position is apart."""
    at: dict[str, list[int]] = defaultdict(list)
    last = len(graph.info.tokens) - 1
    for node in nodes.tolist():
        position = int(graph.node_position[node])
        at["" if position == last else graph.info.tokens[position].strip().lower()].append(node)
    return [np.array(members) for members in at.values()]


def described(graph: GraphArrays, group: Int64[np.ndarray, " member"], flow: Flow, words: Words) -> Step:
    """The facts that are known of the features in a person's group, as far as most of them share it."""
    features = group[graph.node_kind[group] == NodeKind.FEATURE]
    meanings = [meaning_of(graph, node) for node in features.tolist()]
    found = _named(graph, features, meanings, flow, words) if len(features) else []
    return found[0] if found else Step(group, "")


def _named(
    graph: GraphArrays, group: np.ndarray, meanings: list[Meaning], flow: Flow, words: Words
) -> list[Step]:
    """The step of a group; none where nothing names enough of it."""
    mass = flow.influence[group]
    labels = _weighed(mass, [(meaning.label,) for meaning in meanings])
    fires = _weighed(mass, [meaning.facts.fires_on for meaning in meanings])
    says = _weighed(mass, [meaning.facts.says for meaning in meanings])
    contexts = _weighed(mass, [(meaning.facts.context,) for meaning in meanings])
    least = OF_FACTS * float(mass.sum())
    fires_on = tuple(word for word, weight in fires.most_common(3) if weight >= least)
    context = next((text for text, weight in contexts.most_common(1) if weight >= least), "")
    late = graph.node_layer[group] @ mass >= mass.sum() * graph.n_layers / 2
    promoted = shared_words(group, flow.influence, words) if late and not words.from_labels else ()
    agreed = tuple(word for word, _ in says.most_common(3)) if late else ()
    spoken = tuple(dict.fromkeys([*agreed, *promoted]))[:3]
    step = Step(np.sort(group), "", "", spoken, fires_on, context)
    if labels and labels.total() >= OF_LABELS * mass.sum():
        label = labels.most_common(1)[0][0]
        return [_weigh(graph, replace(step, name=label.split("; ")[0], label=label), "label")]
    if agreed or len(promoted) >= FEWEST_PROMOTED:
        return [_weigh(graph, replace(step, name=f"say {', '.join(spoken)}"), "facts" if agreed else "words")]
    if fires_on or context:
        on = ", ".join(f'"{word}"' for word in fires_on)
        return [_weigh(graph, replace(step, name=" ".join(filter(None, (on, context)))), "facts")]
    return []


def _weighed(mass: np.ndarray, texts: list[tuple[str, ...]]) -> Counter[str]:
    """The texts by the influence of the features that have them."""
    weights: Counter[str] = Counter()
    for weight, some in zip(mass.tolist(), texts, strict=True):
        weights.update({text: weight for text in some if text})
    return weights


def _weigh(graph: GraphArrays, step: Step, kind: str) -> Step:
    """The step with the worth of its name."""
    own = {
        stem(graph.info.tokens[position]) for position in np.unique(graph.node_position[step.nodes]).tolist()
    }
    named = step.name.replace('"', "").split()
    telling = {stem(word) for word in named if not is_function_word(word.strip(","))} - {""}
    return replace(step, worth=WORTH[kind] * (LITTLE if telling <= own else 1))


def _merged(steps: list[Step]) -> list[Step]:
    """Steps of the same name as one."""
    of_name: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        of_name[step.name].append(step)
    return [
        replace(same[0], nodes=np.sort(np.concatenate([step.nodes for step in same])))
        for same in of_name.values()
    ]


def best_of(graph: GraphArrays, steps: list[Step], most: int) -> list[Step]:
    """The steps with most effect on the likeliest output, by the worth of their names."""
    effects = leaving_effects(graph, [step.nodes for step in steps])
    strong = [number for number, effect in enumerate(effects) if abs(effect) >= LEAST_EFFECT]
    strong.sort(key=lambda number: -abs(effects[number]) * steps[number].worth)
    return [steps[number] for number in strong[:most]]
