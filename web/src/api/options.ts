/** Generated from the server by `make page-types`; do not edit. */

export const TRACE_OPTIONS = {
  "dictionary": {
    "default": "auto",
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "`auto` (the dictionary installed for the model, else its neurons), `neurons`, or a short name, a\nrepository, a folder or a file of transcoders."
  },
  "node_threshold": {
    "default": 0.8,
    "minimum": null,
    "above": 0,
    "maximum": 1,
    "choices": [],
    "sentence": "Share of the influence that kept nodes carry."
  },
  "edge_threshold": {
    "default": 0.98,
    "minimum": null,
    "above": 0,
    "maximum": 1,
    "choices": [],
    "sentence": "Share of the influence between kept nodes that kept edges carry."
  },
  "sink": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Text of the first token, which soaks up attention; \"bos\" or \"none\" (default: the model's own)."
  },
  "targets": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Next tokens to explain: text, `id:7042`, or `A minus B` of these; by default the likeliest."
  },
  "max_targets": {
    "default": 10,
    "minimum": 1,
    "above": null,
    "maximum": 1000,
    "choices": [],
    "sentence": "Most tokens to explain."
  },
  "target_probability": {
    "default": 0.95,
    "minimum": null,
    "above": 0,
    "maximum": 1,
    "choices": [],
    "sentence": "Explain the likeliest tokens until they reach this total probability."
  },
  "max_nodes": {
    "default": 4096,
    "minimum": 1,
    "above": null,
    "maximum": 100000,
    "choices": [],
    "sentence": "Most features that become nodes."
  },
  "selection": {
    "default": "attribution",
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [
      "attribution",
      "influence"
    ],
    "sentence": "Rank features by attribution (fast) or by influence (as published)."
  },
  "memory": {
    "default": 100663296,
    "minimum": 16777216,
    "above": null,
    "maximum": 1073741824,
    "choices": [],
    "sentence": "Bytes for computing edges, besides the model and the graph."
  },
  "name": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Name of the graph in the library (by default the prompt, or a chat's last question)."
  }
} as const;

export const INTERVENTION_OPTIONS = {
  "strengths": {
    "default": [
      1.0
    ],
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Multiples of the changes, with one effect for each; 0 is no change, 1 the change."
  },
  "regime": {
    "default": "free",
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [
      "direct",
      "frozen-attention",
      "free"
    ],
    "sentence": "The parts that respond: direct (as edges predict), frozen-attention or free (the real model)."
  },
  "generate": {
    "default": 0,
    "minimum": 0,
    "above": null,
    "maximum": 1000,
    "choices": [],
    "sentence": "Number of tokens to generate after the prompt."
  }
} as const;

export const CHANGE_OPTIONS = {
  "value": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Factor, activation or summand, for all but `ablate` and `patch`."
  },
  "positions": {
    "default": "here",
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [
      "here",
      "all",
      "onwards"
    ],
    "sentence": "The node's own position, all positions, or its own and all after it.\n\nGenerated tokens belong to the last two."
  },
  "source": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "The prompt to take values from, for `patch` alone."
  }
} as const;

export const SWAP_OPTIONS = {
  "nodes": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Ids of feature nodes (by default all features at the content word of most influence)."
  },
  "name": {
    "default": "",
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "The name of the group that these nodes are."
  },
  "word": {
    "default": null,
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "The word that takes the place of the prompt's own (by default one that the model finds)."
  },
  "strengths": {
    "default": [
      1.0,
      1.5,
      2.0,
      2.5,
      3.0
    ],
    "minimum": null,
    "above": null,
    "maximum": null,
    "choices": [],
    "sentence": "Make the swap so many times over, with one effect for each."
  }
} as const;

export const REGIMES = {
  "direct": "Attention, norms and MLPs are held fixed, as an edge assumes.",
  "frozen-attention": "Attention patterns are held fixed; norms and MLPs respond.",
  "free": "Nothing is held fixed: the real model."
} as const;

export const HOWS = {
  "ablate": {
    "sentence": "Set the activation to 0.",
    "takes": "nothing"
  },
  "scale": {
    "sentence": "Multiply the activation by a number.",
    "takes": "number"
  },
  "set": {
    "sentence": "Set the activation to a number.",
    "takes": "number"
  },
  "add": {
    "sentence": "Add a number to the activation.",
    "takes": "number"
  },
  "patch": {
    "sentence": "Set the activation to its value on another prompt.",
    "takes": "prompt"
  }
} as const;

export const POSITIONS = {
  "here": "at its position",
  "all": "at all positions",
  "onwards": "from there on"
} as const;

export const GRAPH_SENTENCES = {
  "changed": "Warning: {changes}",
  "disturbed": "Warning: The sink {sink} changes the answer on this prompt (KL {kl} nats, above {most}); pass --sink TOKEN for another or --sink none for no sink (sink= in Python).",
  "adds_up": "Conservation: every row adds up to what it explains, worst gap {gap}.",
  "proves": "No edge is missing. Whether the model is the one you meant, clew check tests.",
  "falls_short": "Warning: rows do not add up to what they explain; the worst gap is {percent} ({gap}; sound is {most} or less). Do not rely on this graph; trace the prompt again with --dtype float32, which is the most exact.",
  "unexplained": "Dictionary: FVU {fvu}, the share of the MLPs' variance that it leaves unexplained.",
  "worse_than_mean": "Warning: Dictionary: FVU {fvu}, the share of the MLPs' variance that it leaves unexplained. The mean alone leaves 1, so do not rely on these features.",
  "answer_kept": "{mlps} replaced by the dictionary: the answer stays {answer}, with probability {replaced} (the model's own {own}), KL {kl} nats.",
  "answer_lost": "{mlps} replaced by the dictionary: the answer becomes {other}, and {answer} has probability {replaced} (the model's own {own}), KL {kl} nats."
} as const;

export const LARGEST_GAP = 0.001 as const;

export const MOST_CHANGE = 0.25 as const;
