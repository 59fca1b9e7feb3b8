"""Short names for features: asked of a language model and tested, or made of tokens by rule."""
