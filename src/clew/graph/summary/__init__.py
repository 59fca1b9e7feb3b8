"""A graph in a dozen named groups (`summarize`), and groups to suggest to a person (`suggest_groups`)."""

from clew.graph.summary.suggestions import Suggestion, suggest_groups
from clew.graph.summary.summary import MAX_GROUPS, Group, GroupEdge, Summary, summarize

__all__ = ["MAX_GROUPS", "Group", "GroupEdge", "Suggestion", "Summary", "suggest_groups", "summarize"]
