"""A graph as a story: its tokens, five to eight steps with names, and all else folded and counted."""

from clew.graph.story.story import Box, Story, StoryPath, tell_story

__all__ = ["Box", "Story", "StoryPath", "tell_story"]
