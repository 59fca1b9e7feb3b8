"""Settings for every test: no deadlines, since the machine that runs them may be busy; no network."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["HF_HUB_OFFLINE"] = "1"
settings.register_profile("clew", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("clew")
